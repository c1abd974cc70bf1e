"""What the README asks of curl, for a machine that has none: the same requests, the same output."""

import argparse
import sys

import httpx2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    given = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in given.headers)
    if given.body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"  # as curl says where nothing is said
    method = given.method or ("GET" if given.body is None else "POST")
    answer = httpx2.request(method, given.url, headers=headers, content=given.body)
    sys.stdout.buffer.write(answer.content)


if __name__ == "__main__":
    main()
