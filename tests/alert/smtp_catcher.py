"""A real SMTP server (aiosmtpd) for the tests of the mail sink.

Prints its port on the first line, then one JSON object for each mail that it
accepts. Mail to refused@… is refused with 550; with --busy the first mail is
put off with 451, with --clinging nobody is let go. Ends when its standard input
is closed.
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
    def __init__(self, busy, clinging):
        self.busy = busy
        self.clinging = clinging

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.busy:
            self.busy = False
            return "451 4.3.0 come back later"
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
                }
            ),
            flush=True,
        )
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        if self.clinging:
            await asyncio.Event().wait()
        return "221 2.0.0 bye"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"vai", b"hunter22")
    return AuthResult(success=good, handled=False)


async def serve(arguments):
    context = None
    if arguments.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.cert, arguments.key)
    handler = Handler(arguments.busy, arguments.clinging)

    def protocol():
        return SMTP(
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
parser.add_argument("--clinging", action="store_true", help="never answer QUIT")
asyncio.run(serve(parser.parse_args()))
