"""Mail over a real SMTP server: what arrives, what is refused, and which refusal is worth another try."""

import asyncio
import os

import pytest
from pydantic import SecretStr

from pulse_chassis.mail import Attachment, Mail, MailNotSentError, MailServer, mail_sender
from pulse_chassis.mail_settings import MailSettings
from pulse_chassis.settings import SettingsError


def sender_to(inbox, **fields):
    return mail_sender(MailServer("127.0.0.1", inbox.port, "plant@example.com", **({"tls": "none"} | fields)))


def mail(**fields) -> Mail:
    return Mail(**({"to": ("night@example.com",), "subject": "Störung", "text": "Pumpe 7 ist heiß"} | fields))


async def refused(sender, wanted: Mail) -> MailNotSentError:
    with pytest.raises(MailNotSentError) as caught:
        await sender.send(wanted)
    return caught.value


async def test_a_mail_arrives_as_it_was_written(mail_inbox) -> None:
    csv = Attachment("report.csv", "text/csv", b"a;b\r\n")
    page = Attachment("report.html", "text/html", "<p>ü</p>".encode())
    await sender_to(mail_inbox).send(
        mail(to=("a@example.com", "b@example.com"), html="<b>heiß</b>", attachments=(csv, page), message_id="0001")
    )
    (came,) = mail_inbox.mails
    assert (came["From"], came["To"], came["Subject"]) == (
        "PrecisionPulse <plant@example.com>", "a@example.com, b@example.com", "Störung",
    )  # fmt: skip
    assert (came["Message-ID"], came["Auto-Submitted"]) == ("<0001@example.com>", "auto-generated")
    assert mail_inbox.receivers == [["a@example.com", "b@example.com"]]
    assert came.get_body(("plain",)).get_content().strip() == "Pumpe 7 ist heiß"
    assert came.get_body(("html",)).get_content().strip() == "<b>heiß</b>"
    assert [(part.get_filename(), part.get_payload(decode=True)) for part in came.iter_attachments()] == [
        ("report.csv", csv.content), ("report.html", page.content),
    ]  # fmt: skip


async def test_no_text_becomes_a_header_of_its_own(mail_inbox) -> None:
    evil = "x\r\nBcc: everybody@example.com\r\n\r\nbuy"
    await sender_to(mail_inbox).send(
        mail(subject=evil, message_id=evil, headers={"X-Rule": evil}, attachments=(Attachment(evil, "text/csv", b""),))
    )
    (came,) = mail_inbox.mails
    assert came["Bcc"] is None
    assert mail_inbox.receivers == [["night@example.com"]]
    assert came.get_body(("plain",)).get_content().strip() == "Pumpe 7 ist heiß"


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b\r\nRCPT TO:<c@d>", "a b@example.com", '"x"@example.com', "a@-b"]
)
async def test_what_is_no_address_goes_nowhere(mail_inbox, address: str) -> None:
    error = await refused(sender_to(mail_inbox), mail(to=(address,)))
    assert (error.code, error.is_final, mail_inbox.asked) == ("mail_address_invalid", True, 0)


async def test_the_verdict_says_whether_trying_again_makes_sense(mail_inbox) -> None:
    sender = sender_to(mail_inbox)
    mail_inbox.refusal = "451 later, please"
    assert (await refused(sender, mail())).is_final is False
    mail_inbox.refusal = "554 never"
    assert (await refused(sender, mail())).is_final is True
    mail_inbox.refusal = None
    mail_inbox.refused_receivers = {"night@example.com": "550 nobody here", "day@example.com": "450 full"}
    assert (await refused(sender, mail())).is_final is True
    assert (await refused(sender, mail(to=("night@example.com", "day@example.com")))).is_final is False
    assert (await refused(mail_sender(None), mail())).code == "mail_not_configured"
    large = Attachment("a", "text/csv", os.urandom(10 * 1024 * 1024 + 1))
    assert (await refused(sender, mail(attachments=(large,)))).code == "mail_too_large"


async def test_one_refused_receiver_does_not_keep_the_others_from_it(mail_inbox) -> None:
    mail_inbox.refused_receivers = {"gone@example.com": "550 nobody here"}
    await sender_to(mail_inbox).send(mail(to=("gone@example.com", "here@example.com")))
    assert mail_inbox.receivers == [["here@example.com"]]


async def test_tls_is_never_skipped(mail_inbox) -> None:
    for tls in ("starttls", "implicit"):
        error = await refused(sender_to(mail_inbox, tls=tls), mail())
        assert (error.is_final, mail_inbox.asked) == (False, 0), tls


async def test_a_server_that_is_away_or_silent_is_a_reason_to_try_again(monkeypatch) -> None:
    monkeypatch.setattr("pulse_chassis.mail.SEND_SECONDS", 0.2)
    held = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    sender = mail_sender(MailServer("127.0.0.1", port, "plant@example.com", tls="none"))
    assert (await refused(sender, mail())).code == "mail_unreachable"
    held.set()
    silent.close()
    await silent.wait_closed()
    error = await refused(sender, mail())
    assert (error.code, error.is_final) == ("mail_unreachable", False)


def test_settings_name_the_server(monkeypatch, tmp_path) -> None:
    needed = {"database_url": SecretStr("postgresql://x/y"), "redis_url": SecretStr("redis://x")}
    assert MailSettings(**needed).mail_server is None
    (tmp_path / "password").write_text("s3cret\n")
    for name, value in {
        "HOST": "mx.example.com",
        "PASSWORD_FILE": str(tmp_path / "password"),
        "TLS": "implicit",
    }.items():
        monkeypatch.setenv(f"PULSE_MAIL_{name}", value)
    server = MailSettings(**needed).mail_server
    assert (server.host, server.port, server.tls, server.password) == ("mx.example.com", 587, "implicit", "s3cret")
    assert "s3cret" not in repr(server)
    monkeypatch.setenv("PULSE_MAIL_FROM", "nobody")
    with pytest.raises(SettingsError):
        MailSettings(**needed)
