# SPDX-License-Identifier: Apache-2.0
"""Where reports go: what a file of destinations may state, and one try of each kind."""

from __future__ import annotations

import re
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.deliver import Chat, DeliveryError, Folder, Mail, deliver, destinations_of
from api.deliver import chat as chats
from api.deliver import folder as folders
from api.deliver.mail import mark, server_of
from api.deliver.message import chat_text, mail_text
from api.deliver.parcel import Parcel, one_line, pack, slug
from optimizer.errors import UsageError

from .conftest import MADE, MailServer, WebServer, report

HOSTILE = 'x\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script> =cmd|"/C calc" @here 🚀 ../..'


def configured(tmp_path: Path, text: str, tenant: str = "default") -> Any:
    file = tmp_path / "destinations.toml"
    file.write_text(text, "utf-8")
    return destinations_of(file, tenant)


def mail_to(server: MailServer, *recipients: str) -> str:
    listed = ", ".join(f'"{address}"' for address in recipients or ("finance@example.com",))
    return (
        f'[default.finance]\nmail = [{listed}]\nfrom = "gpuopt <gpuopt@example.com>"\n'
        f'server = "smtp://127.0.0.1:{server.port}"\n'
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


# --- what the file may state ---------------------------------------------------------------


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "slack").write_text("json://127.0.0.1:9/secret-path\n")
    found = configured(
        tmp_path,
        '[default.archive]\nfolder = "/srv/reports"\n'
        '[default.finance]\nmail = ["finance@example.com"]\nfrom = "gpuopt <g@example.com>"\n'
        'server = "smtps://gpuopt@smtp.example.com"\npassword_file = "/run/secrets/smtp"\n'
        f'[default.chat]\nurl_file = "{tmp_path / "slack"}"\n[other.mine]\nfolder = "/srv/x"\n',
    )
    assert {name: each.kind for name, each in found.items()} == {
        "archive": "folder", "finance": "mail", "chat": "chat",
    }  # fmt: skip
    assert destinations_of(None, "default") == {}
    assert "secret-path" not in repr(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[default.x]\nfolder = 'reports'", "x: folder is not an absolute path"),
        ("[default.x]\ncolour = 'red'", "x has neither folder, mail, url nor url_file"),
        ("[default]\nx = 3", "x has neither"),
        ("default = 3", r"\[default\] is no table"),
        ("[default.x]\nfolder = '/x'\nurl = 'json://h'", "x.url: Extra inputs"),
        ("[default.x]\nurl = 'json://a'\nurl_file = '/x'", "one of them"),
        ("[default.x]\nmail = []\nfrom = 'a@b.c'\nserver = 'smtp://h'", "x.mail: "),
        ("[default.x]\nmail = ['nobody']\nfrom = 'a@b.c'\nserver = 'smtp://h'", "addresses such"),
        ("[default.x]\nmail = [\"a@b.c\\n\"]\nfrom = 'a@b.c'\nserver = 'smtp://h'", "addresses"),
        ("[default.x]\nmail = ['a@b.c']\nfrom = 'a@b.c'\nserver = 'http://h'", "smtps://"),
        ("[default.x]\nmail = ['a@b.c']\nfrom = 'a@b.c'\nserver = 'smtp://u:hunter2@h'", "clear"),
        ("[default.x", "TOMLDecodeError"),
    ],
)
def test_a_file_that_is_refused_says_why_and_repeats_no_secret(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        configured(tmp_path, text)
    assert "hunter2" not in str(refused.value)
    assert "To mend it" in str(refused.value)


def test_servers_of_mail() -> None:
    assert server_of("smtps://a%40b@h", "pw") == server_of("smtps://a%40b:pw@h:465")
    assert server_of("smtp+starttls://h").port == 587
    assert server_of("smtp://localhost:2525").port == 2525
    for wrong in ("smtp://", "h:25", "smtps://:pw@h", "smtps://h/path"):
        with pytest.raises(ValueError, match="server"):
            server_of(wrong)


# --- a folder ------------------------------------------------------------------------------


def test_a_folder_holds_each_report_whole_and_the_latest(tmp_path: Path) -> None:
    root = tmp_path / "made" / "for it"
    deliver(report(), Folder(folder=root), made_at=MADE)
    place = root / "2026-11-23-060512-weekly"
    assert sorted(p.relative_to(place).as_posix() for p in place.rglob("*.*")) == [
        "report.html", "report.json", "report.md", "tables/actions.csv", "tables/kpis.csv",
    ]  # fmt: skip
    assert (root / "latest").resolve() == place
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    deliver(report(), Folder(folder=root), made_at=MADE)  # the same again is the same
    assert before == {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    deliver(report("Older"), Folder(folder=root), made_at=MADE.replace(day=16))
    assert (root / "latest").resolve() == place
    deliver(report("Another"), Folder(folder=root), made_at=MADE)  # of the same second
    assert len(list(root.glob("2026-11-23-*"))) == 2
    assert not [p for p in root.iterdir() if p.name.startswith(".")]


def test_latest_is_a_file_where_there_are_no_links(
    tmp_path: Path, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folders.put(parcel, tmp_path)
    folders.put(replace(parcel, made_at=MADE.replace(day=30)), tmp_path)
    folders.put(replace(parcel, made_at=MADE.replace(day=2)), tmp_path)
    assert (tmp_path / "latest").read_text() == "2026-11-30-060512-weekly\n"


def test_a_folder_that_is_full_leaves_nothing_behind(
    tmp_path: Path, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders.os, "fsync", full)
    with pytest.raises(DeliveryError, match=r"No space left on device.*To mend it") as refused:
        folders.put(parcel, tmp_path)
    assert not refused.value.final
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder(tmp_path: Path, parcel: Parcel) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeliveryError, match="cannot be written to") as refused:
        folders.put(parcel, tmp_path / "file")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.skipif(sys.platform == "win32", reason="rights are others there")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path, parcel: Parcel) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        try:
            (tmp_path / "probe").touch()
        except PermissionError:
            with pytest.raises(DeliveryError, match="Permission denied"):
                folders.put(parcel, tmp_path)
        else:  # root may write anywhere
            folders.put(parcel, tmp_path)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


# --- mail ----------------------------------------------------------------------------------


def test_a_mail_has_the_report_attached_and_a_short_text(
    tmp_path: Path, mail_server: MailServer, parcel: Parcel
) -> None:
    finance = configured(tmp_path, mail_to(mail_server))["finance"]
    finance.take(parcel)
    finance.take(parcel)  # as after a crash: the same message
    first, second = mail_server.messages
    assert first["Message-ID"] == second["Message-ID"] == "<dlv_1@example.com>"
    assert first["Subject"] == "Weekly report"
    assert first["To"] == "finance@example.com"
    assert first["Date"].datetime == MADE
    text = first.get_body(("plain",))
    assert text is not None
    assert "- Bill: $1,234 (−$65.50, better)" in text.get_content()
    html = first.get_body(("html",))
    assert html is not None
    assert "three days old" in html.get_content()
    files = {
        part.get_filename(): part.get_payload(decode=True) for part in first.iter_attachments()
    }
    assert list(files) == ["2026-11-23-weekly.html", "2026-11-23-weekly.md"]
    assert files["2026-11-23-weekly.html"] == parcel.files["report.html"].encode()


def test_a_mail_of_hostile_names_has_no_header_of_theirs(
    tmp_path: Path, mail_server: MailServer
) -> None:
    finance = configured(tmp_path, mail_to(mail_server))["finance"]
    deliver(report(title=HOSTILE, offer=HOSTILE), finance)
    (message,) = mail_server.messages
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    html = message.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert mail_server.recipients == [["finance@example.com"]]


@pytest.mark.parametrize(("reply", "final"), [("451 later", False), ("554 spam", True)])
def test_a_refusal_is_final_if_the_server_says_so(
    tmp_path: Path, mail_server: MailServer, parcel: Parcel, reply: str, final: bool
) -> None:
    mail_server.replies = [reply]
    with pytest.raises(DeliveryError, match=reply) as refused:
        configured(tmp_path, mail_to(mail_server))["finance"].take(parcel)
    assert refused.value.final is final


def test_recipients_that_have_it_are_not_sent_to_again(
    tmp_path: Path, mail_server: MailServer, parcel: Parcel
) -> None:
    finance = configured(tmp_path, mail_to(mail_server, "a@x.com", "b@x.com"))["finance"]
    mail_server.refused = {"b@x.com": "450 greylisted"}
    with pytest.raises(DeliveryError, match=r"1 of 2 recipients.*450 greylisted") as refused:
        finance.take(parcel)
    assert refused.value.taken == {mark("a@x.com")}
    assert not refused.value.final
    assert "b@x.com" not in str(refused.value)
    mail_server.refused = {}
    finance.take(parcel, refused.value.taken)
    assert mail_server.recipients == [["a@x.com"], ["b@x.com"]]
    finance.take(parcel, frozenset({mark("a@x.com"), mark("b@x.com")}))
    assert len(mail_server.received) == 2
    mail_server.refused = {"a@x.com": "550 no", "b@x.com": "550 no such user"}
    with pytest.raises(DeliveryError, match="2 of 2") as refused:
        finance.take(parcel)
    assert refused.value.final


def test_what_was_taken_is_taken_whatever_the_server_says_afterwards(
    tmp_path: Path, mail_server: MailServer, parcel: Parcel
) -> None:
    mail_server.goodbye = "421 out of here"
    configured(tmp_path, mail_to(mail_server))["finance"].take(parcel)
    assert len(mail_server.received) == 1


def test_a_server_that_is_not_there_or_offers_no_secrecy(
    tmp_path: Path, mail_server: MailServer, parcel: Parcel
) -> None:
    gone = mail_to(MailServer(port=free_port()))
    with pytest.raises(DeliveryError, match="could not be spoken to") as refused:
        configured(tmp_path, gone)["finance"].take(parcel)
    assert not refused.value.final
    plain = mail_to(mail_server).replace("smtp://", "smtp+starttls://")
    with pytest.raises(DeliveryError, match=r"could not be spoken to.*STARTTLS"):
        configured(tmp_path, plain)["finance"].take(parcel)
    secret = mail_to(mail_server).replace("smtp://", "smtp://me:hunter2@")
    with pytest.raises(DeliveryError) as refused:  # the server knows no AUTH
        configured(tmp_path, secret)["finance"].take(parcel)
    assert "hunter2" not in str(refused.value)
    assert mail_server.received == []


# --- chats and webhooks --------------------------------------------------------------------


def test_a_webhook_gets_the_message_and_the_page_if_asked_for(
    tmp_path: Path, web_server: WebServer, parcel: Parcel
) -> None:
    pytest.importorskip("apprise")
    url = f"json://127.0.0.1:{web_server.port}/hook"
    (tmp_path / "url").write_text(f"{url}\n")
    found = configured(
        tmp_path,
        f'[default.a]\nurl = "{url}"\n[default.b]\nurl_file = "{tmp_path / "url"}"\nattach = true',
    )
    found["a"].take(parcel)
    found["b"].take(parcel)
    first, second = web_server.posted
    assert web_server.paths == ["/hook", "/hook"]
    assert first["title"] == "Weekly report"
    assert "Buy 3 and save" in first["message"]
    assert first["attachments"] == []
    assert [each["filename"] for each in second["attachments"]] == ["2026-11-23-weekly.html"]


def test_a_webhook_that_refuses_is_told_of_without_its_address(
    tmp_path: Path,
    web_server: WebServer,
    parcel: Parcel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("apprise")
    web_server.codes = [500]
    caplog.set_level("DEBUG")
    url = f"json://bot:hunter2@127.0.0.1:{web_server.port}/T0000AAAA/B0000BBBB"
    chat = configured(tmp_path, f'[default.a]\nurl = "{url}"')["a"]
    with pytest.raises(DeliveryError, match=r"the json service did not take it.*500") as refused:
        chat.take(parcel)
    gone = url.replace(str(web_server.port), str(free_port()))
    with pytest.raises(DeliveryError) as unreachable:
        configured(tmp_path, f'[default.a]\nurl = "{gone}"')["a"].take(parcel)
    for text in (str(refused.value), str(unreachable.value), caplog.text, repr(chat)):
        for secret in ("hunter2", "T0000AAAA", "B0000BBBB"):
            assert secret not in text
    chat.take(parcel)
    assert len(web_server.posted) == 2


def test_an_address_that_apprise_does_not_know(tmp_path: Path, parcel: Parcel) -> None:
    pytest.importorskip("apprise")
    for url in ("nothing://hunter2", "slack://hunter2", ""):
        chat = configured(tmp_path, f'[default.a]\nurl = "{url}"')["a"]
        with pytest.raises(UsageError, match="Apprise cannot read") as refused:
            chat.take(parcel)
        assert "hunter2" not in str(refused.value)


def test_a_chat_without_apprise_names_the_extra(
    parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UsageError, match=r"pip install 'gpuopt\[notify\]'"):
        chats.send(parcel, "json://127.0.0.1")


# --- what is said --------------------------------------------------------------------------


def test_a_message_is_short_and_says_what_to_do() -> None:
    text = mail_text(report(rows=9))
    assert text.splitlines() == [
        "Buy 3 and save $12,000 a month.",
        "",
        "The data are three days old.",
        "",
        "- Bill: $1,234 (−$65.50, better)",
        "",
        "Actions",
        "- aws/sp-3y · Saving $10.00",
        *(f"- aws/sp-3y-{n} · Saving ${n + 10}.00" for n in range(1, 5)),
        "- and 4 more in the report",
        "",
        "Plan: sha256:12",
        "As of: 2026-11-23",
    ]
    assert "**Actions**" in chat_text(report())


def test_names_in_a_message_format_and_mention_nothing() -> None:
    text = chat_text(report(offer="<!channel> @here **b** [x](http://evil) `c`"))
    assert "<!channel>" not in text
    assert "@here" not in text
    assert "](" not in text.replace("\\]", "")
    assert len(chat_text(report(offer="x" * 2000, rows=5))) < 3700


def test_names_of_files_are_harmless(parcel: Parcel) -> None:
    assert slug("../../Weekly Report\x00") == "weekly-report"
    assert slug("☃").startswith("x-")
    assert one_line("a\r\nBcc: x\u2028y  z") == "a Bcc: x y z"
    assert len(one_line("x" * 500)) == 200
    for name in ("../x.html", "tables/../x.csv", "/etc/x.md", "report.exe"):
        with pytest.raises(ValueError, match="no name"):
            replace(parcel, files={name: ""})
    assert pack(report()).id == pack(report()).id != pack(report("Other")).id


def test_the_examples_of_the_page_are_understood(tmp_path: Path) -> None:
    from api.http.schedules import ScheduleRequest

    page = (Path(__file__).parents[3] / "docs" / "delivery.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert [each.kind for each in configured(tmp_path, example).values()] == ["mail"]
    bodies = re.findall(r"schedules\".*?-d '(.*?)'", page, re.DOTALL)
    asked = [ScheduleRequest.model_validate_json(body) for body in bodies]
    assert [(each.what, each.deliver_to) for each in asked] == [
        ("plan", ["finance"]),
        ("alerts", ["chat"]),
    ]
    documented = set(re.findall(r"(?m)^\| `(\w+)` \|", page))
    fields = {
        field.alias or name
        for kind in (Folder, Mail, Chat)
        for name, field in kind.model_fields.items()
    }
    assert documented == fields
