"""What runs as the first process of a workspace; standard library only, no import of ours."""
