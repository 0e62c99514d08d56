"""Mail and a web site on a workspace's own loopback; what was done to them is known outside.

python examples/services.py
"""

from ise_env.services.episode import EpisodeServices
from ise_env.services.plan import plan
from ise_env.services.spec import Collection, MailSeed, Person, SiteSeed
from ise_env.workspaces import make_backend

ANN = Person(name="Ann Lee", address="ann@garden-shop.example")
SHOP = SiteSeed(
    host="garden-shop.example",
    collections=(Collection(path="/api/orders", items=({"id": 1},), writable=("POST",)),),
)
AGENT = """
curl -s http://garden-shop.example/api/orders -d '{"item": "spade"}'
printf 'Subject: Order\\n\\nOne spade, please.\\n' > letter
curl -s smtp://mail.office.example --mail-from me@office.example \\
  --mail-rcpt ann@garden-shop.example --upload-file letter
cat TOOLS.md
"""


def main() -> None:
    """Serve, let an agent act, look at the records."""
    backend = make_backend("local")
    wanted = plan([("example", MailSeed(people=(ANN,))), ("example", SHOP)])
    assert wanted is not None
    workspace = backend.create(names=wanted.names)
    with workspace, EpisodeServices(wanted, workspace, backend) as services:
        workspace.populate(services.files())
        print(workspace.run(AGENT).output.decode())
        workspace.freeze()
        records = services.records()
        print("orders:", records.collections["garden-shop.example", "/api/orders"])
        for mail in records.mail:
            print("mail to", *mail.recipients, "about", mail.subject)


if __name__ == "__main__":
    main()
