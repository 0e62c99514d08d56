"""What makes a sampled task real: seed files, sub-goals, checks and a solution per kit.

A kit is one file, `ise_env/tasks/<domain>/<kit>.py`, holding one subclass of `kit.Kit`; the
registry finds it. The habit that keeps kits small and intents short:

- `Params` stores a folder, one integer `content`, and the few details that shape the task;
- `world(params)`, cached, derives everything else from `Draw(params.content)`: the files, and
  what the right result is;
- `seed`, `checks` and the rest read it. `seeding` makes files and guards, `git_seed` makes
  repositories, `steps` makes tool calls, `ise_env.rewards.checks` holds the kinds of checks.

A request names everything that its checks demand. A solution works from what the tools
reply, never from `world`. `stage.Stage` plays a kit in a live workspace while it is being
written, `admission.validate` decides whether it may be sampled.

This room knows workspaces, tools and rewards; it knows no environment, user or rollout.
"""
