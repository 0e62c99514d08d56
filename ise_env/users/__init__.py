"""Stage 2: role-locked user simulators."""

from ise_env.users.factory import make_user

__all__ = ["make_user"]
