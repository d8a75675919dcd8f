"""A real little HTTP server that takes qingmo-serve's flags: as slow, faulty or mortal as a test asks."""

import argparse
import asyncio
import json
import os
import sys
import time

import httptools

DELAY = {"wide": 0.03, "narrow": 0.0}


class Session(asyncio.Protocol):
    count = 0
    stalled_until = 0.0

    def __init__(self, given):
        self.given, self.busy, self.path, self.tasks = given, asyncio.Lock(), "", set()
        self.parser, self.body = httptools.HttpRequestParser(self), []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_url(self, url):
        self.path = url.decode()

    def on_body(self, body):
        self.body.append(body)

    def on_message_complete(self):
        if self.path == "/health/ready":
            self.reply(200)
            return
        Session.count += 1
        if self.given.die_after and Session.count > self.given.die_after:
            os._exit(7)
        bad = self.given.fail_every and Session.count % self.given.fail_every == 0
        task = asyncio.get_running_loop().create_task(self.later(500 if bad else 200))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def later(self, status):
        delay = DELAY.get(self.given.models, 0.0) + self.given.delay_ms / 1e3 + self.given.batch / 1e3
        if self.given.stall_at and Session.count == self.given.stall_at:
            time.sleep(0.3)  # noqa: ASYNC251 - the whole server stalls, as asked
        await asyncio.sleep(delay)
        if not self.given.mute:
            self.reply(status)

    def reply(self, status):
        best = {"label": self.given.label, "score": 0.9}
        body = json.dumps({"results": [] if self.given.empty else [{"labels": [best]}]}).encode()
        self.transport.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        if self.given.twice and self.path != "/health/ready":
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def serve(given):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(given), "127.0.0.1", given.port)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--models", default="")
    parser.add_argument("--label", default="news")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    for name in ("--fail-every", "--die-after", "--stall-at"):
        parser.add_argument(name, type=int, default=0)
    parser.add_argument("--batch", type=int, default=0)
    for name in ("--refuse", "--mute", "--twice", "--empty"):
        parser.add_argument(name, action="store_true")
    given, _ = parser.parse_known_args()
    if given.refuse:
        sys.exit("this bundle is broken: the digest differs")
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
