"""A real SMTP server (aiosmtpd) for the tests of the mail sink.

Prints its port on the first line, then one JSON object for each mail that it
accepts. Mail to refused@… is refused with 550 and to full@… with 452;
with --busy the first mail is put off with 451,
with --clinging nobody is let go. With --single a session takes one recipient, and
with --single 421 ends at a second one; with --whole a mail to picky@… and others
is refused with 451. With --held the first mail is answered once there is a second
one. Ends when its standard input is closed.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, arguments):
        self.busy = arguments.busy
        self.clinging = arguments.clinging
        self.single = arguments.single
        self.whole = arguments.whole
        self.held = asyncio.Event() if arguments.held else None
        self.mails = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such user"
        if address.startswith("full@"):
            return "452 4.2.2 mailbox full"
        if self.single and envelope.rcpt_tos:
            if self.single == "421":
                asyncio.get_running_loop().call_later(0.05, server.transport.close)
            return f"{self.single} 4.5.3 one recipient a session"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.busy:
            self.busy = False
            return "451 4.3.0 come back later"
        if self.whole and len(envelope.rcpt_tos) > 1:
            if any(to.startswith("picky@") for to in envelope.rcpt_tos):
                return "451 4.7.1 greylisted"
        self.mails += 1
        if self.held and self.mails == 1:
            await self.held.wait()
        elif self.held:
            self.held.set()
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(
            json.dumps(
                {
                    "to": envelope.rcpt_tos,
                    "headers": {name.lower(): str(value) for name, value in mail.items()},
                    "body": mail.get_body(("plain",)).get_content(),
                    "html": mail.get_body(("html",)).get_content(),
                    "parts": [part.get_content_type() for part in mail.iter_parts()],
                    "encrypted": server.transport.get_extra_info("ssl_object") is not None,
                    "authenticated": bool(session.authenticated),
                    "name": session.host_name,
                    "extended": session.extended_smtp,
                }
            ),
            flush=True,
        )
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        if self.clinging:
            await asyncio.Event().wait()
        return "221 2.0.0 bye"


class Older(SMTP):
    """One that knows no EHLO."""

    async def smtp_EHLO(self, hostname):
        await self.push("502 5.5.2 no such command")


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"vai", b"hunter22")
    return AuthResult(success=good, handled=False)


async def serve(arguments):
    context = None
    if arguments.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.cert, arguments.key)
    handler = Handler(arguments)
    kind = Older if arguments.older else SMTP

    def protocol():
        return kind(
            handler,
            hostname="localhost",
            tls_context=None if arguments.implicit else context,
            require_starttls=bool(context) and not arguments.implicit,
            authenticator=authenticate,
            auth_required=arguments.auth,
            auth_require_tls=False,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=context if arguments.implicit else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


parser = argparse.ArgumentParser()
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--implicit", action="store_true", help="TLS from the first byte")
parser.add_argument("--auth", action="store_true", help="ask for vai's password")
parser.add_argument("--busy", action="store_true")
parser.add_argument("--single", nargs="?", const="452")
parser.add_argument("--whole", action="store_true")
parser.add_argument("--held", action="store_true")
parser.add_argument("--older", action="store_true", help="know no EHLO")
parser.add_argument("--clinging", action="store_true", help="never answer QUIT")
asyncio.run(serve(parser.parse_args()))
