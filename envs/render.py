"""Pictures of a body: bones, and muscles that swell and colour with their activation.

The picture is drawn by the kernels of `musclegym.envs.raster`, without OpenGL, a display or the simulator.
PyBullet's own `getCameraImage` was not taken: its software renderer draws the collision boxes, has no way to
colour a path by activation, and muscles painted over its picture are hidden by no bone.
"""

import numpy as np
import numpy.typing as npt

from musclegym.body import Body, Kinematics
from musclegym.envs.arrow import arrow_cones, checked_push
from musclegym.envs.backdrop import cast_shadow, draw_ground
from musclegym.envs.bones import Bones, Carver
from musclegym.envs.camera import Camera, View
from musclegym.envs.palette import activation_ramp, blend, draw_legend, encoding, linear
from musclegym.envs.raster import (
    BELLY_PIECES,
    CONE_WIDTH,
    ELLIPSOID_WIDTH,
    SUBSAMPLES,
    Array32,
    Pixels,
    draw_cones,
    draw_ellipsoids,
    encode,
    lay_over,
    make_spindles,
)
from musclegym.envs.terrain import Height, Terrain
from musclegym.rotation import Array

SPECIFIC_TENSION = 60e4
"""Isometric force over cross-section of fibres (Rajagopal et al. 2016, IEEE TBME 63:2068-2079) [N/m^2]."""
SLENDER = 0.62
"""Drawn over true thickness of a belly, so that muscles can be told apart [-]."""
BELLY_SHARE = (0.5, 0.85)
"""Least and largest part of a path that is drawn as belly; fibres of pennate muscles overlap along it [-]."""
TENDON_AT_ORIGIN = 0.3
"""Part of the tendon drawn at the origin; most tendons are longer at the insertion [-]."""
BONE, TENDON, GHOST = "#ece4d3", "#ece6da", "#4f86c6"
SKY, FLOOR, LINE = ("#f1f3f6", "#d5dfeb"), "#dfe3e8", "#b3bcc7"
GHOST_OPACITY = 0.42
SHADOW_SIZE, SHADOW_CELL = 128, 0.022
FILL = 0.49
"""Height of the camera's target over the ground, as a fraction of the body's [-]."""
BOB = 0.06
"""The camera rises with the root only as far as it gets higher than this over its rest position [m]."""


class Renderer:
    """Draws a body of any shape into pictures of one size.

    Bones are shaped from the skeleton's joints and boxes. Each muscle follows its waypoints: its belly holds
    the muscle's volume, max force x optimal fibre length / specific tension, and so swells as the muscle
    shortens; it turns from pale blue (passive) to deep red (fully active).
    """

    def __init__(self, body: Body, width: int = 640, height: int = 480, camera: Camera | None = None) -> None:
        """Prepare to draw.

        Args:
            body: whom.
            width: of the pictures [pixel].
            height: of the pictures [pixel].
            camera: direction and distance to look from; by default from the front, three quarters to the
                body's left, far enough to show all of it with raised arms.

        Raises:
            ValueError: if a size is not a whole number from 16 to 4096.
        """
        for name, value in (("width", width), ("height", height)):
            if value != int(value) or not 16 <= value <= 4096:
                raise ValueError(
                    f"{name} must be a whole number of pixels from 16 to 4096, but is {value}; "
                    f"640 x 480 is usual"
                )
        self.body = body
        self.width, self.height = int(width), int(height)
        self.bones: Bones = Carver(body.skeleton).bones()
        self.stature = stature(body)
        self.camera = camera or Camera(distance=2.5 * self.stature)
        self.legend = draw_legend(self.height) if body.n_muscles else None
        self._ramp = activation_ramp()
        self._code = encoding()
        self._belly, self._tendon = belly_lengths(body)
        self._volume = (
            body.muscle_set.max_isometric_force * body.muscle_set.optimal_fibre_length / SPECIFIC_TENSION
        )
        samples = (self.height * SUBSAMPLES, self.width * SUBSAMPLES)
        self._layer = np.zeros((self.height, self.width, 3), dtype=np.float32)
        self._shadow = np.zeros((SHADOW_SIZE, SHADOW_SIZE), dtype=np.float32)
        self._depth, self._colour = np.zeros(samples, np.float32), np.zeros((*samples, 3), np.float32)
        self._ghost_depth, self._ghost_colour = np.zeros(samples, np.float32), np.zeros_like(self._colour)
        self._ground_depth = np.full(samples, np.inf, np.float32)
        self._terrain: Terrain | None = None

    def draw(
        self,
        q: npt.ArrayLike,
        activation: npt.ArrayLike | None = None,
        ghost: npt.ArrayLike | None = None,
        focus: npt.ArrayLike | None = None,
        ground: Height | None = None,
        push: npt.ArrayLike | None = None,
    ) -> Pixels:
        """Return a picture; equal arguments give equal pictures.

        Args:
            q: pose, shape (dof,).
            activation: of the muscles in [0, 1], shape (muscle,); passive if left out or empty [-].
            ghost: pose of a second, translucent body, shape (dof,).
            focus: point of the world in the picture's middle, shape (3,); by default the camera follows the
                root over the ground, and upwards only in a leap, so that it does not bob with every step [m].
            ground: height of the ground [m] at world x and z [m], arrays of one shape in and out; flat and at
                0 if left out. The same function must always give the same heights.
            push: where a force acts on the body [m] and the force [N], in the world, shape (2, 3); drawn as
                an arrow.

        Returns:
            sRGB, shape (height, width, 3).

        Raises:
            ValueError: if an array has the wrong size or values that are not finite, or an activation is not
                in [0, 1].
        """
        kinematics = self.body.kinematics(q)
        colours = self._muscle_colours(activation)
        arrow = None if push is None else checked_push(push)
        other = None if ghost is None else self.body.kinematics(ghost)
        self._find_ground(ground)
        view = self.camera.look_at(self._target(kinematics, focus), self.width, self.height)
        self._draw_ground(kinematics, view)
        self._draw_solids(kinematics, view, linear(BONE), self._depth, self._colour)
        if self.body.n_muscles:
            self._draw_muscles(q, colours, view)
        if arrow is not None:
            cones = arrow_cones(arrow, view)
            draw_cones(cones, np.arange(len(cones)), SUBSAMPLES * view.focal, self._depth, self._colour)
        lay_over(self._layer, self._depth, self._colour, self._ground_depth, 1.0)
        if other is not None:
            self._draw_solids(other, view, linear(GHOST), self._ghost_depth, self._ghost_colour)
            np.minimum(self._depth, self._ground_depth, out=self._depth)
            lay_over(self._layer, self._ghost_depth, self._ghost_colour, self._depth, GHOST_OPACITY)
        picture = np.empty((self.height, self.width, 3), dtype=np.uint8)
        encode(self._layer, self._code, picture)
        if self.legend is not None:
            blend(picture, self.legend)
        return picture

    def _muscle_colours(self, activation: npt.ArrayLike | None) -> Array:
        count = self.body.n_muscles
        values = np.zeros(0) if activation is None else np.asarray(activation, dtype=np.float64)
        if values.size == 0:
            values = np.zeros(count)
        if values.shape != (count,):
            raise ValueError(
                f"activation must have shape ({count},), one number for each muscle of {self.body.name!r}, "
                f"but has {values.shape}; leave it out to draw passive muscles"
            )
        if not np.all((values >= -1e-6) & (values <= 1.0 + 1e-6)):
            worst = int(np.argmax(np.where(np.isfinite(values), abs(values - 0.5), np.inf)))
            raise ValueError(
                f"activations must be in [0, 1], but {self.body.muscle_names[worst]!r} has {values[worst]}; "
                f"clip them, or look for where it left the range"
            )
        return self._ramp[np.round(values * (len(self._ramp) - 1)).astype(np.int64)]

    def _target(self, kinematics: Kinematics, focus: npt.ArrayLike | None) -> Array:
        if focus is None:
            x, y, z = kinematics.joint_position[0]
            level = 0.0 if self._terrain is None else self._terrain.level(x, z)
            leap = max(0.0, y - level - self.body.skeleton.joint_position[0, 1] - BOB)
            return np.array([x, level + FILL * self.stature + leap, z])
        target = np.asarray(focus, dtype=np.float64)
        if target.shape != (3,) or not np.isfinite(target).all():
            raise ValueError(
                f"focus must be a point of the world, three finite numbers [m], but is {focus}; leave it out "
                f"to follow the body"
            )
        return target

    def _find_ground(self, ground: Height | None) -> None:
        """Keep the ground's samples from picture to picture."""
        if ground is None:
            if self._terrain is not None:
                self._ground_depth[:] = np.inf
            self._terrain = None
        elif self._terrain is None or self._terrain.height != ground:
            self._terrain = Terrain(ground)

    def _draw_ground(self, kinematics: Kinematics, view: View) -> None:
        middle = kinematics.joint_position[0] * np.array([1.0, 0.0, 1.0])
        ends, radius = flesh(self.body, kinematics)
        if self._terrain is not None:
            ends[..., 1] -= self._terrain.height(ends[..., 0], ends[..., 2])
        cast_shadow(ends - middle, radius, SHADOW_CELL, self._shadow)
        colours, at = np.array([linear(colour) for colour in (*SKY, FLOOR, LINE)]), middle[[0, 2]]
        if self._terrain is not None:
            self._terrain.around(*at)
            self._terrain.draw(view, self._shadow, SHADOW_CELL, at, colours, self._layer, self._ground_depth)
            return
        draw_ground(
            view.eye, view.axes, view.focal, self._shadow, SHADOW_CELL, at, colours[:2], colours[2],
            colours[3], self._layer,
        )  # fmt: skip

    def _draw_solids(
        self, kinematics: Kinematics, view: View, tint: Array, depth: Array32, colour: Array32
    ) -> None:
        ends, centre, axes = self.bones.place(kinematics)
        cones = np.empty((len(ends), CONE_WIDTH))
        cones[:, [0, 1, 2, 4, 5, 6]] = view.to_view(ends).reshape(-1, 6)
        cones[:, [3, 7]] = self.bones.cone_radii
        cones[:, 8:14] = np.tile(tint, 2)
        cones[:, 14:17] = 0.10, 1.0, 1.0
        span = np.maximum(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), 1e-9)
        cones[:, 17:] = ((self.bones.cone_radii[:, 1] - self.bones.cone_radii[:, 0]) / span)[:, None]
        ellipsoids = np.empty((len(centre), ELLIPSOID_WIDTH))
        ellipsoids[:, :3] = view.to_view(centre)
        ellipsoids[:, 3:12] = (axes @ view.axes.T).reshape(-1, 9)
        ellipsoids[:, 12:15] = tint * self.bones.ellipsoid_shade[:, None]
        ellipsoids[:, 15] = 0.10
        depth[:] = np.inf
        focal = SUBSAMPLES * view.focal
        draw_ellipsoids(ellipsoids, self.bones.ellipsoid_reach, focal, depth, colour)
        draw_cones(cones, np.argsort(cones[:, 2]), focal, depth, colour)

    def _draw_muscles(self, q: npt.ArrayLike, colours: Array, view: View) -> None:
        muscles, muscle_set = self.body.muscles(q), self.body.muscle_set
        tendon = np.minimum(self._tendon, (1.0 - BELLY_SHARE[0] / 2) * muscles.path_length)
        belly = muscles.path_length - tendon
        # A spindle of radius R sin(pi s) and this length holds the volume.
        radius = SLENDER * np.sqrt(2.0 * self._volume / (np.pi * belly))
        radius = np.minimum(radius, 0.11 * belly)
        thin = np.clip(0.22 * radius, 0.0016, 0.004)
        begin = TENDON_AT_ORIGIN * tendon
        cones = np.empty((len(muscles.waypoints) + (BELLY_PIECES + 1) * len(belly), CONE_WIDTH))
        count = make_spindles(
            view.to_view(muscles.waypoints), muscle_set.waypoint_start, begin, begin + belly, radius, thin,
            colours, linear(TENDON), 0.16, cones,
        )  # fmt: skip
        cones = cones[:count]
        focal = SUBSAMPLES * view.focal
        draw_cones(cones, np.argsort(cones[:, 2]), focal, self._depth, self._colour)


def stature(body: Body) -> float:
    """Return how high the boxes of a body reach over the ground in the rest pose [m]."""
    skeleton = body.skeleton
    top = skeleton.com[:, 1] + 0.5 * np.einsum("bj,bj->b", abs(skeleton.body_rotation[:, 1]), skeleton.size)
    return float(max(top.max(), 0.1))


def belly_lengths(body: Body) -> tuple[Array, Array]:
    """Return the lengths (muscle,) of bellies and of tendons in the rest pose, as they are drawn [m]."""
    muscle_set, path = body.muscle_set, body.rest_path_length
    share = muscle_set.optimal_fibre_length / np.maximum(path, 1e-6)
    belly = np.clip(share, *BELLY_SHARE) * path
    return belly, path - belly


def flesh(body: Body, kinematics: Kinematics) -> tuple[Array, Array]:
    """Return capsules that fill the bodies' boxes: ends (body, 2, 3) in the world and radii (body,) [m]."""
    size = body.skeleton.size
    longest = np.argmax(size, axis=1)
    length = size[np.arange(len(size)), longest]
    radius = 0.45 * np.sqrt(np.prod(size, axis=1) / length)
    axis = kinematics.rotation[np.arange(len(size)), :, longest]
    half = axis * np.maximum(0.5 * length - radius, 0.0)[:, None]
    return np.stack([kinematics.com - half, kinematics.com + half], axis=1), radius
