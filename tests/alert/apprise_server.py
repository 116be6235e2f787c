"""A server that passes notifications on by the Apprise library, for the tests.

It takes the documented requests of the Apprise API (POST /notify and
POST /notify/{key}) and answers with its documented statuses and the library's
log. Arguments are KEY=URL. Prints its port, and ends with its standard input.
"""

import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import apprise

STORED = dict(argument.split("=", 1) for argument in sys.argv[1:])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with apprise.LogCapture(level=logging.INFO) as log:
            status = self.passed_on(sent)
            answer = json.dumps({"details": log.getvalue().splitlines()}).encode()
        self.send_response(status)
        if status == 204:
            answer = b""
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def passed_on(self, sent):
        key = self.path.removeprefix("/notify").strip("/")
        urls = [STORED[key]] if key in STORED else sent.get("urls", [])
        targets = apprise.Apprise()
        if not urls or not targets.add(urls):
            return 204
        if sent["type"] not in apprise.NOTIFY_TYPES or sent["format"] not in apprise.NOTIFY_FORMATS:
            return 400
        done = targets.notify(
            body=sent["body"],
            title=sent.get("title", ""),
            notify_type=sent["type"],
            body_format=sent["format"],
        )
        return 200 if done else 424

    def log_message(self, *_):
        pass


# One request at a time: the library's log is one for all threads.
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
