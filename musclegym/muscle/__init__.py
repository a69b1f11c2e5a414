"""The muscle layer: paths, Hill forces, torque transmission, the least-squares oracle and MuscleNN."""
