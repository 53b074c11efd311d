"""chromium.py PORT COUNT mix|each PREFIX SECONDS [--stepped=STREAM] - headless Chromium in the place of bench-receiver: the same
arguments, the same files. No echo cancellation, noise suppression or gain control: those are for microphones, and there is none.

The browser's process id is printed first: what it costs is its processes alone, not this one."""
import json, shutil, subprocess, sys, tempfile, threading, time, urllib.parse, urllib.request, wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os.path import dirname
import opus

FLAGS = """--headless=new --no-sandbox --disable-gpu --no-first-run --no-proxy-server --disable-background-networking
  --disable-renderer-backgrounding --disable-background-timer-throttling --disable-backgrounding-occluded-windows
  --disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage
  --allow-loopback-in-peer-connection --disable-features=WebRtcHideLocalIpsWithMdns,OptimizationHints,MediaRouter
  --autoplay-policy=no-user-gesture-required""".split()


class Recording:
    def __init__(self, path):
        self.path, self.marks, self.end = path, [], None
        self.file = wave.open(path, "wb")
        self.file.setnchannels(1)
        self.file.setsampwidth(2)
        self.file.setframerate(opus.RATE)
        self.count = 0

    def append(self, samples, end, time):
        """Samples of 16 bits whose last is the browser's number `end`; what it skipped, if anything, is silence."""
        skipped = 0 if self.end is None else max(0, end - len(samples) // 2 - self.end)
        self.end = end
        self.file.writeframes(bytes(2 * skipped) + samples)
        self.count += skipped + len(samples) // 2
        self.marks.append((time, self.count))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, count, prefix):
        super().__init__(("127.0.0.1", 0), Handler)
        self.publisher, self.prefix, self.lock = f"http://127.0.0.1:{port}", prefix, threading.Lock()
        self.recordings, self.figures, self.is_over = {}, {}, False
        self.first, self.asked = [None] * count, [None] * count


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body=b"", kind="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/offer"):
            self.reply(urllib.request.urlopen(self.server.publisher + self.path).read())
        else:
            with open(f"{dirname(__file__)}/page.html", "rb") as page:
                self.reply(page.read(), "text/html")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        query = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
        server = self.server
        if path == "/answer":
            urllib.request.urlopen(server.publisher + self.path, body).read()
        with server.lock:
            if server.is_over:
                pass  # the last words of a browser that is being stopped
            elif path == "/sound":
                name = query["name"]
                if name not in server.recordings:
                    server.recordings[name] = Recording(f"{server.prefix}_{name}.wav")
                server.recordings[name].append(body, int(query["end"]), float(query["time"]))
            elif path == "/first":
                i = int(query["i"])
                server.first[i], server.asked[i] = float(query["time"]), float(query["asked"])
            elif path == "/figures":
                server.figures.setdefault(query["i"], []).append((float(query["time"]), json.loads(body)))
        self.reply()


def main(port, count, kind, prefix, seconds, stepped):
    server = Server(port, count, prefix)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tempfile.mkdtemp(prefix="receive-path-")
    start = time.time()
    page = f"http://127.0.0.1:{server.server_port}/?count={count}&each={int(kind == 'each')}&stepped={stepped}"
    with open(f"{prefix}_chromium.log", "w") as log:
        # Not the wrapper of Debian's, which is a shell. Its sound device is Chromium's own stand-in: it pulls 10 ms.
        browser = subprocess.Popen(
            ["/usr/lib/chromium/chromium", *FLAGS, f"--user-data-dir={profile}", page], stdout=log, stderr=log,
            env={"PULSE_SERVER": "none", "HOME": profile, "PATH": "/usr/bin:/bin"})
    print(browser.pid, flush=True)
    time.sleep(seconds)
    t0 = json.load(urllib.request.urlopen(f"{server.publisher}/info"))["t0"]
    browser.terminate()
    try:
        browser.wait(5)
    except subprocess.TimeoutExpired:
        browser.kill()
        browser.wait()
    with server.lock:
        server.is_over = True
        for name, recording in server.recordings.items():
            recording.file.close()
            with open(recording.path + ".json", "w") as file:
                json.dump(dict(
                    kind="clock", t0=t0, marks=recording.marks, first=server.first, asked=server.asked, t_start=start,
                    stats=server.figures.get(name, []), pull=480), file)
    shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]),
         "".join(sys.argv[6:]).removeprefix("--stepped="))
