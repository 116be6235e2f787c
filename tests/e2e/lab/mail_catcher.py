"""An SMTP server on a loopback port, any if it is 0. Prints the port, then a JSON line for each mail."""

import asyncio
import email
import email.policy
import json
import sys
import time

from aiosmtpd.smtp import SMTP


class Catcher:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = mail.get_body(("plain",))
        html = mail.get_body(("html",))
        caught = {
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "id": mail["Message-ID"],
            "in_reply_to": mail["In-Reply-To"],
            "references": (mail["References"] or "").split(),
            "at": time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
            "text": text.get_content().replace("\r\n", "\n") if text else "",
            "html": html.get_content() if html else "",
        }
        print(json.dumps(caught), flush=True)
        return "250 caught"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Catcher(), hostname="localhost"), "127.0.0.1", int(sys.argv[1]))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
