"""A web server on this machine that does what servers do on a bad day."""

import http.server
import threading


class Server:
    """Serves one file at `url`, and keeps what was asked for.

    Attributes:
        content: the file.
        ranges: whether the server can begin in the middle.
        breaks: after how many bytes each of the next answers breaks off, a list that is used up.
        waits: an event to wait for before going on, at the place where it would break off.
        answers: the status of each of the next answers, a list that is used up; 200 is the file, 404 none.
        requests: the header Range of each request so far, "" where it had none.
    """

    def __init__(self, content):
        self.content = content
        self.ranges = True
        self.breaks = []
        self.waits = None
        self.answers = []
        self.requests = []

    def __enter__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/archive.zip"
        return self

    def __exit__(self, *failure):
        self._server.shutdown()
        self._server.server_close()

    def _handler(server):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                asked = self.headers.get("Range", "")
                server.requests.append(asked)
                status = server.answers.pop(0) if server.answers else 200
                if status != 200:
                    return self.send_error(status)
                begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
                if begin and begin >= len(server.content):
                    return self.send_error(416)
                body = server.content[begin:]
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", len(body))
                if begin:
                    self.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
                self.end_headers()
                end = server.breaks.pop(0) if server.breaks else len(body)
                self.wfile.write(body[:end])
                if end < len(body) and server.waits:
                    server.waits.wait(30)
                self.close_connection = True

        return Handler
