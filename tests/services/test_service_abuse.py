"""Hostile input to the services: bounded, refused, and everybody else goes on."""

from __future__ import annotations

from datetime import datetime

import pytest

from ise_env.services import httpd, smtp
from ise_env.services.spec import Collection, MailSeed, Page, RepositorySeed, SiteSeed
from ise_env.tasks.git_seed import Commit, RepoSeed

SITE = SiteSeed(
    host="a.example",
    pages=(Page(path="/", body="still here"),),
    collections=(Collection(path="/api/x", writable=("POST",)),),
)


def alive(place):
    return "still here" in place.shell("curl -s --max-time 20 http://a.example/")


def alive_soon(place):
    """Within about ten seconds: who is turned away while it is busy asks again."""
    ask = "for i in $(seq 50); do curl -sf -m 2 http://a.example/ && break; sleep 0.2; done"
    return "still here" in place.shell(ask)


def test_a_mail_that_is_too_large(serve):
    place = serve(SITE, MailSeed())
    said = place.python(
        "import smtplib\n"
        "s = smtplib.SMTP('mail.office.example', 25)\n"
        "try: print(s.sendmail('me@office.example', ['a@b.example'], b'x' * 60 + b'\\n' +"
        f" (b'y' * 70 + b'\\n') * {smtp.MOST_BYTES // 70}))\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    assert "552" in said
    assert alive(place)


def test_a_mail_that_is_hard_to_read(serve):
    place = serve(SITE, MailSeed())
    said = place.python(
        "import smtplib\n"
        "s = smtplib.SMTP('mail.office.example', 25)\n"
        "deep = b''.join(b'Content-Type: multipart/mixed; boundary=b%d\\n\\n--b%d\\n' % (n, n)"
        " for n in range(3000))\n"
        "for text in (deep, b'Subject: =?utf-8?b?////?=\\n\\n\\xff\\xfe', b'\\0' * 900,"
        " b'Content-Type: text/plain; charset=nonsense\\n\\nhi', b'From: <<<>>>,,;:\\n\\nhi'):\n"
        "  text = text.replace(b'\\n', b'\\r\\n')\n"
        "  s.sendmail('me@office.example', ['a@b.example'], text)"
    )
    assert said == ""
    place.workspace.freeze()
    assert len(place.services.records().mail) == 5


def test_too_many_mails(serve):
    place = serve(SITE, MailSeed())
    said = place.python(
        "import smtplib\n"
        "s = smtplib.SMTP('mail.office.example', 25)\n"
        "for n in range(300):\n"
        "  try: s.sendmail('me@office.example', ['a@b.example'], b'hi')\n"
        "  except smtplib.SMTPException as e: print(n, e); break\n"
        "many = ['a%d@b.example' % n for n in range(60)]\n"
        "try: print(s.sendmail('me@office.example', many, b'x'))\n"
        "except smtplib.SMTPException as e: print('again', e)"
    )
    assert said.startswith(f"{smtp.MOST_MAILS} (452")
    assert "again" in said


def test_connections_that_say_nothing_do_not_stop_the_rest(serve, monkeypatch):
    monkeypatch.setattr(httpd, "HEADER_S", 1.0)
    place = serve(SITE, MailSeed())
    place.workspace.run(
        [
            "python3",
            "-c",
            "import socket, time\n"
            "held = []\n"
            "for port in (80, 25):\n"
            "  for n in range(400):\n"
            "    s = socket.create_connection(('127.0.0.1', port), 5); held.append(s)\n"
            "    s.send(b'GET / HTTP/1.1\\r\\nHost: a.')\n"
            "print('held', flush=True); time.sleep(60)",
        ],
        yield_after_s=0,
    )
    place.workspace.poll(1, wait_s=20)
    assert alive_soon(place)


@pytest.mark.slow
def test_ten_thousand_connections(serve):
    place = serve(SITE)
    said = place.python(
        "import socket\n"
        "done = 0\n"
        "for n in range(10000):\n"
        "  try:\n"
        "    socket.create_connection(('127.0.0.1', 80), 5).close(); done += 1\n"
        "  except OSError: pass\n"
        "print(done)",
        timeout_s=120,
    )
    assert int(said) > 5000
    assert alive_soon(place)  # what has piled up is worked off first


@pytest.mark.parametrize(
    "send",
    [
        "head -c 50M /dev/zero | curl -s -T - http://a.example/api/x",
        "head -c 50M /dev/zero | curl -s -X POST -H 'Content-Length: 52428800'"
        " --data-binary @- http://a.example/api/x",
        "head -c 50M /dev/zero | gzip | curl -s -H 'Content-Encoding: gzip'"
        " --data-binary @- http://a.example/api/x",
        "head -c 1M /dev/zero | tr '\\0' a > h; curl -s -H @h http://a.example/",
        "curl -s http://a.example/$(head -c 40000 /dev/zero | tr '\\0' a)",
        "printf 'GET / HTTP/1.1\\r\\nX: \\0\\r\\n\\r\\n' > /dev/tcp/a.example/80",
        "printf 'POST /api/x HTTP/1.1\\r\\nHost: a.example\\r\\nContent-Length: -5\\r\\n\\r\\n' >"
        "/dev/tcp/a.example/80",
        "python3 -c 'print(\"[\" * 200000)' | curl -s --data-binary @- http://a.example/api/x",
        "curl -s 'http://a.example/api/x?page=99999999999999999999999999'",
        "curl -s http://a.example/api/x?page=$(head -c 9000 /dev/zero | tr '\\0' 0)1",
        """curl -s http://a.example/api/x -d '{"id": "\\ud800", "\\udfff": 1}'""",
        "curl -s --path-as-is 'http://a.example/../../../../etc/passwd'",
        'curl -s "http://a.example/%0d%0aSet-Cookie:%20a=b" -D -',
    ],
)
def test_hostile_requests(serve, send, caplog):
    place = serve(SITE)
    said = place.shell(send, timeout_s=30)
    assert "root:" not in said and "Set-Cookie" not in said
    assert alive(place)
    assert sum(len(r.body) for r in place.services.records().requests) < 5 * 2**20
    assert [r for r in caplog.records if r.name.startswith("ise_env")] == []


def test_an_enormous_push(serve, monkeypatch):
    monkeypatch.setattr("ise_env.services.episode.MOST_PUSH", 2**20)
    seed = RepoSeed("r", (Commit("One", {"a": "b"}, "A <a@b>", datetime(2026, 1, 1)),))
    place = serve(SITE, RepositorySeed(name="a/r", stream=seed.stream()))
    said = place.shell(
        "git clone -q http://git.office.example/a/r.git && cd r && "
        "head -c 2M /dev/urandom > big && git add big && git commit -qm big && "
        "git push origin main 2>&1 || echo refused",
        timeout_s=120,
    )
    assert "refused" in said
    assert alive(place)
    assert list(place.services.records().pushes) == []
