"""publisher.py PORT crowd|networks COUNT FOLDER - the other side: COUNT peers that send speech, as a media server does.

crowd      peer i sends the i-th voice; their packets are spread evenly over 20 ms
networks   peer i sends the one speaker through the i-th network of network.py

A peer speaks to whoever takes its offer, at http://127.0.0.1:PORT: GET /offer?i=I answers {"sdp", "type"} with all candidates
in it, POST /answer?i=I takes the same. It sends as soon as it is connected, as in a call that has begun before: packet k is
due at t0 + k * 20 ms, with the RTP timestamp 960 k. GET /info answers {"t0", "sent", "lost"}, times in seconds since 1970.

It is aiortc, so that a mistake of ours is not made at both ends."""
import asyncio, heapq, json, re, struct, sys, time
import aioice.ice
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
import opus
from network import NETWORKS

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class Silent(MediaStreamTrack):
    """aiortc encodes what a track gives; this gives nothing, for the packets are there already."""
    kind = "audio"

    async def recv(self):
        await asyncio.Event().wait()


class Publication:
    def __init__(self, packets, plan, offset):
        self.packets, self.plan, self.offset = packets, plan, offset
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.sender = self.peer.addTransceiver(Silent(), direction="sendonly").sender
        self.sent = self.lost = 0

    async def offer(self):
        await self.peer.setLocalDescription(await self.peer.createOffer())
        sdp = self.peer.localDescription.sdp
        self.payload_type = int(re.search(r"a=rtpmap:(\d+) opus/48000/2", sdp)[1])
        self.source = int(re.search(r"a=ssrc:(\d+) ", sdp)[1])
        return dict(sdp=sdp, type="offer")

    async def accept(self, answer):
        await self.peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    @property
    def is_connected(self):
        return self.peer.connectionState == "connected"

    async def send(self, k):
        header = struct.pack(
            ">BBHII", 0x80, self.payload_type, (k + 1000) & 0xFFFF, k * opus.BLOCK & 0xFFFFFFFF, self.source)
        try:
            # What aiortc's own sender calls for each packet: SRTP, then ICE's selected pair.
            await self.sender.transport._send_rtp(header + self.packets[k % len(self.packets)])
            self.sent += 1
        except ConnectionError:
            pass


async def play(publications, start):
    """Sends every packet when it is due, for ever."""
    due = [(start + publication.offset, index, 0, False) for index, publication in enumerate(publications)]
    heapq.heapify(due)
    while True:
        await asyncio.sleep(max(0, due[0][0] - time.monotonic()))
        while due[0][0] <= time.monotonic():
            at, index, k, is_delayed = heapq.heappop(due)
            publication = publications[index]
            delay = publication.plan[k % len(publication.plan)]
            if not is_delayed:
                heapq.heappush(due, (start + publication.offset + (k + 1) * .02, index, k + 1, False))
            if not publication.is_connected:
                continue
            if delay is None:
                publication.lost += 1
            elif delay > 0 and not is_delayed:
                heapq.heappush(due, (at + delay, index, k, True))
            else:
                await publication.send(k)


async def main(port, kind, count, folder):
    if kind == "networks":
        packets = opus.load(f"{folder}/speaker.opus-packets")
        publications = [Publication(packets, network.plan(len(packets)), 0) for network in NETWORKS[:count]]
    else:
        publications = [
            Publication(opus.load(f"{folder}/crowd-{index:02}.opus-packets"), [0], .02 * index / count)
            for index in range(count)]
    start = time.monotonic() + 1
    t0 = time.time() + 1

    async def offer(request):
        return web.json_response(await publications[int(request.query["i"])].offer())

    async def answer(request):
        await publications[int(request.query["i"])].accept(json.loads(await request.text()))
        return web.json_response({})

    async def info(_):
        return web.json_response(
            dict(t0=t0, sent=[each.sent for each in publications], lost=[each.lost for each in publications]))

    application = web.Application()
    application.add_routes([web.get("/offer", offer), web.post("/answer", answer), web.get("/info", info)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await play(publications, start)


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
