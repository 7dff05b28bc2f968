"""python-hl7's own asyncio MLLP server, which parses each message and acknowledges it; nothing is stored.

Usage: python pyhl7_server.py PORT. Prints `ready` once it listens.
"""

import asyncio
import sys

from hl7.mllp import start_hl7_server


async def converse(reader, writer):
    """Read, parse, acknowledge, until the sender goes."""
    try:
        while True:
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        pass
    finally:
        writer.close()


async def main():
    """Serve until killed."""
    server = await start_hl7_server(converse, "127.0.0.1", int(sys.argv[1]), encoding="utf-8", limit=2**20)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
