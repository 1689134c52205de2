/* usb-capture: a USB video capture card made of software.
 *
 * Plugs a UVC 1.0 card (YUYV, one bulk endpoint) into the kernel's virtual USB host controller
 * (module vhci-hcd); the stock driver uvcvideo makes a /dev/videoN of it, and udev its events. For
 * root, in the guest of vm-run:
 *
 *   modprobe vhci-hcd; usb-capture &      plugged in
 *   kill PID                              unplugged; so does every other end
 *   kill -USR1 PID / kill -USR2 PID       no more frames / frames again
 *   kill -STOP PID / kill -CONT PID       the card hangs / answers again
 *
 * `prepare` builds it as target/tools/usb-capture. Options: -s WxH (640x360), -f FPS (10),
 * -v VID:PID (1209:0001), -n SERIAL (TEST0001), -p PRODUCT ("Test USB Capture"), -P PORT (0).
 * The picture: eight colour bars, and a white one that moves by 8 pixels a frame.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD 16384u                  /* one URB of the driver = one payload */
#define HDR 2u

struct usbip {                          /* USB/IP header, big endian */
	uint32_t cmd, seq, devid, dir, ep;
	uint32_t a[5];
	uint8_t setup[8];
};
enum { SUBMIT = 1, UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };

static int sock, width = 640, height = 360, fps = 10;
static unsigned vid = 0x1209, pid = 0x0001;
static const char *serial = "TEST0001", *product = "Test USB Capture";
static volatile sig_atomic_t frames_on = 1;
static uint8_t cfg[256], probe[26];
static int cfg_len, cur_config;
static uint8_t *frame;
static uint32_t frame_size, frame_pos, frame_no;
static int in_frame, fid;
static struct { uint32_t seq, len; } q[256];
static unsigned q_head, q_tail;

static void die(const char *m) { perror(m); exit(1); }
static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static void put(const void *p, size_t n)
{
	while (n) {
		ssize_t r = write(sock, p, n);
		if (r < 0 && errno == EINTR) continue;
		if (r <= 0) exit(0);            /* the host side is gone */
		p = (const char *)p + r; n -= r;
	}
}
static void get(void *p, size_t n)
{
	while (n) {
		ssize_t r = read(sock, p, n);
		if (r < 0 && errno == EINTR) continue;
		if (r <= 0) exit(0);
		p = (char *)p + r; n -= r;
	}
}
static void le16(uint8_t *p, unsigned v) { p[0] = v; p[1] = v >> 8; }
static void le32(uint8_t *p, uint32_t v) { le16(p, v); le16(p + 2, v >> 16); }
static void add(const uint8_t *p, int n) { memcpy(cfg + cfg_len, p, n); cfg_len += n; }
#define ADD(...) do { const uint8_t d_[] = { __VA_ARGS__ }; add(d_, sizeof d_); } while (0)
#define L16(v) (uint8_t)(v), (uint8_t)((v) >> 8)
#define L32(v) L16(v), L16((uint32_t)(v) >> 16)

static void build_config(void)
{
	uint32_t interval = 10000000 / fps, rate = frame_size * 8u * fps;
	ADD(9, 2, 0, 0, 2, 1, 0, 0x80, 250);
	ADD(8, 0x0b, 0, 2, 14, 3, 0, 2);                        /* association */
	ADD(9, 4, 0, 0, 0, 14, 1, 0, 2);                        /* video control */
	ADD(13, 0x24, 1, L16(0x100), L16(13 + 18 + 9), L32(48000000), 1, 1);
	ADD(18, 0x24, 2, 1, L16(0x0201), 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0);   /* in */
	ADD(9, 0x24, 3, 2, L16(0x0101), 0, 1, 0);               /* to the host */
	ADD(9, 4, 1, 0, 1, 14, 2, 0, 0);                        /* streaming */
	ADD(14, 0x24, 1, 1, L16(14 + 27 + 30 + 6), 0x81, 0, 2, 0, 0, 0, 1, 0);
	ADD(27, 0x24, 4, 1, 1, 'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0,
	    0xaa, 0, 0x38, 0x9b, 0x71, 16, 1, 0, 0, 0, 0);
	ADD(30, 0x24, 5, 1, 0, L16(width), L16(height), L32(rate), L32(rate),
	    L32(frame_size), L32(interval), 1, L32(interval));
	ADD(6, 0x24, 13, 1, 1, 4);
	ADD(7, 5, 0x81, 2, L16(512), 0);                        /* bulk IN */
	le16(cfg + 2, cfg_len);
	memset(probe, 0, sizeof probe);
	probe[0] = 1; probe[2] = 1; probe[3] = 1;
	le32(probe + 4, interval);
	le32(probe + 18, frame_size);
	le32(probe + 22, PAYLOAD);
}

static void paint(void)
{
	static const uint8_t c[8][3] = { { 180, 128, 128 }, { 162, 44, 142 },
		{ 131, 156, 44 }, { 112, 72, 58 }, { 84, 184, 198 },
		{ 65, 100, 212 }, { 35, 212, 114 }, { 16, 128, 128 } };
	int bar = frame_no * 8 % width & ~1;
	for (int x = 0; x < width; x += 2) {
		const uint8_t *k = c[x * 8 / width];
		int w = x >= bar && x < bar + 16;
		frame[2 * x] = frame[2 * x + 2] = w ? 235 : k[0];
		frame[2 * x + 1] = w ? 128 : k[1];
		frame[2 * x + 3] = w ? 128 : k[2];
	}
	for (int y = 1; y < height; y++)
		memcpy(frame + y * width * 2, frame, width * 2);
	frame_no++;
}

static void ret(uint32_t seq, int status, const void *data, uint32_t actual, int in)
{
	struct usbip h = { .cmd = htonl(RET_SUBMIT), .seq = htonl(seq) };
	h.a[0] = htonl(status);
	h.a[1] = htonl(actual);
	put(&h, sizeof h);
	if (in && actual) put(data, actual);
}

static int string_desc(int i, uint8_t *b)
{
	const char *s = i == 1 ? "regie" : i == 2 ? product : i == 3 ? serial : 0;
	int n = 2;
	b[1] = 3;
	if (!i) { le16(b + 2, 0x409); n = 4; }
	else if (!s) return -1;
	else for (; *s && n < 250; s++, n += 2) le16(b + n, (uint8_t)*s);
	b[0] = n;
	return n;
}

static void control(uint32_t seq, const uint8_t *s, uint8_t *data, uint32_t len)
{
	unsigned type = s[0], req = s[1], val = s[2] | s[3] << 8, idx = s[4] | s[5] << 8;
	uint8_t b[256] = { 0 };
	int n = -1;                             /* -1 = stall */
	const uint8_t dev[18] = { 18, 1, 0, 2, 0xef, 2, 1, 64, L16(vid), L16(pid),
		0, 1, 1, 2, 3, 1 };

	if (type == 0x80 && req == 6) {
		switch (val >> 8) {
		case 1: memcpy(b, dev, n = 18); break;
		case 2: memcpy(b, cfg, n = cfg_len); break;
		case 3: n = string_desc(val & 255, b); break;
		}
	} else if (type == 0x80 && req == 8) { b[0] = cur_config; n = 1; }
	else if ((type & 0xe0) == 0x80 && req == 0) n = 2;             /* status */
	else if (type == 0x81 && req == 10) n = 1;
	else if (type == 0x00 && req == 9) { cur_config = val; n = 0; }
	else if ((type & 0xe0) == 0 && (req == 11 || req == 1 || req == 3)) {
		in_frame = 0; n = 0;            /* set interface, clear halt */
	} else if (type == 0x21 && req == 1 && idx == 1) n = 0; /* set probe/commit */
	else if (type == 0xa1 && (idx & 255) == 1 && (val >> 8) <= 2) {
		switch (req) {
		case 0x81: case 0x82: case 0x83: case 0x87:
			memcpy(b, probe, n = sizeof probe); break;
		case 0x85: b[0] = sizeof probe; n = 2; break;
		case 0x86: b[0] = 3; n = 1; break;
		}
	} else if (type == 0xa1 && (idx & 255) == 0 && req == 0x81) n = 1; /* error code */
	(void)data;
	if (n < 0) ret(seq, -EPIPE, 0, 0, 0);
	else if (type & 0x80) ret(seq, 0, b, (uint32_t)n < len ? (uint32_t)n : len, 1);
	else ret(seq, 0, 0, len, 0);
}

static void feed(void)                  /* answer waiting URBs from this frame */
{
	static uint8_t b[PAYLOAD];
	while (in_frame && q_head != q_tail) {
		uint32_t seq = q[q_tail % 256].seq, max = q[q_tail % 256].len, n;
		q_tail++;
		if (max > PAYLOAD) max = PAYLOAD;
		n = frame_size - frame_pos;
		if (n > max - HDR) n = max - HDR;
		b[0] = HDR;
		memcpy(b + HDR, frame + frame_pos, n);
		frame_pos += n;
		if (frame_pos == frame_size) in_frame = 0;
		b[1] = 0x80 | fid | (in_frame ? 0 : 2);
		if (!in_frame) fid ^= 1;
		ret(seq, 0, b, n + HDR, 1);
	}
}

static void on_usr(int s) { frames_on = s == SIGUSR2; }

int main(int argc, char **argv)
{
	int sv[2], o, port = 0, f;
	char line[64];
	int64_t next;

	while ((o = getopt(argc, argv, "s:f:v:n:p:P:")) != -1)
		switch (o) {
		case 's': if (sscanf(optarg, "%dx%d", &width, &height) != 2) return 2; break;
		case 'f': fps = atoi(optarg); break;
		case 'v': if (sscanf(optarg, "%x:%x", &vid, &pid) != 2) return 2; break;
		case 'n': serial = optarg; break;
		case 'p': product = optarg; break;
		case 'P': port = atoi(optarg); break;
		default: return 2;
		}
	if (width < 16 || height < 16 || width % 2 || fps < 1 || fps > 120) return 2;
	frame_size = width * height * 2;
	if (!(frame = malloc(frame_size))) return 1;
	build_config();
	signal(SIGUSR1, on_usr);
	signal(SIGUSR2, on_usr);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv)) die("socketpair");
	sock = sv[0];
	f = open("/sys/devices/platform/vhci_hcd.0/attach", O_WRONLY);
	if (f < 0) die("vhci attach (modprobe vhci-hcd first)");
	snprintf(line, sizeof line, "%d %d %d 3", port, sv[1], 1 << 16 | (port + 2));
	if (write(f, line, strlen(line)) < 0) die("vhci attach");
	close(f);
	close(sv[1]);

	for (next = now();;) {
		int64_t t = now();
		int wait = -1;
		if (q_head != q_tail) {
			if (!in_frame && t >= next) {
				next += 1000000000LL / fps;
				if (next < t) next = t + 1000000000LL / fps;
				if (frames_on) { paint(); frame_pos = 0; in_frame = 1; feed(); }
				continue;
			}
			wait = in_frame ? -1 : (int)((next - t) / 1000000) + 1;
		}
		struct pollfd p = { sock, POLLIN, 0 };
		if (poll(&p, 1, wait) <= 0) continue;
		struct usbip h;
		uint8_t data[4096];
		get(&h, sizeof h);
		uint32_t seq = ntohl(h.seq), len = ntohl(h.a[1]);
		if (ntohl(h.cmd) == SUBMIT) {
			if (!ntohl(h.dir) && len) {
				if (len > sizeof data) exit(1);
				get(data, len);
			}
			if (!ntohl(h.ep)) control(seq, h.setup, data, len);
			else if (ntohl(h.dir) && q_head - q_tail < 256) {
				q[q_head % 256].seq = seq;
				q[q_head++ % 256].len = len;
				feed();
			} else ret(seq, -EPIPE, 0, 0, 0);
		} else if (ntohl(h.cmd) == UNLINK) {
			uint32_t want = ntohl(h.a[0]);
			unsigned i, j, found = 0;
			for (i = j = q_tail; i != q_head; i++) {
				if (q[i % 256].seq == want) { found = 1; continue; }
				q[j++ % 256] = q[i % 256];
			}
			q_head = j;
			struct usbip r = { .cmd = htonl(RET_UNLINK), .seq = h.seq };
			r.a[0] = htonl(found ? -ECONNRESET : 0);
			put(&r, sizeof r);
		}
	}
}
