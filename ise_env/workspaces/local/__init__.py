"""The local backend: bubblewrap, a private overlay, cgroups, seccomp; no daemon."""
