"""`python -m musclegym` is the command; `torchrun ... -m musclegym` starts it in several processes."""

from musclegym.cli import main

main()
