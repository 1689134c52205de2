# regie from a fresh checkout: `make run` puts a demo on air, `make test` proves the promises.
# Both install the Debian packages they miss; everything else comes by cargo.

# To build and to run: compilers, headers, and the GStreamer plug-ins that the pipelines name.
PACKAGES := pkg-config gcc libc6-dev libclang-dev libudev-dev \
	libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev libgtk-4-dev libadwaita-1-dev \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
	gstreamer1.0-plugins-ugly gstreamer1.0-x gstreamer1.0-libav glib-networking fonts-dejavu-core librsvg2-common \
	libasound2-dev

# To test: the servers, senders and players that a venue has, what makes the footage, what checks the
# translations, and a virtual machine with devices (it fetches its kernel by itself).
TEST_PACKAGES := gstreamer1.0-tools gstreamer1.0-rtsp \
	nginx libnginx-mod-rtmp libnginx-mod-stream \
	ffmpeg mpv openssl zbar-tools python3 python3-pip gettext iproute2 \
	xvfb dbus at-spi2-core python3-gi python3-xlib obs-studio \
	cage xwayland grim \
	qemu-system-x86 busybox-static cpio kmod xz-utils v4l-utils \
	pulseaudio pulseaudio-utils libasound2-plugins alsa-utils \
	avahi-daemon avahi-utils \
	systemd dpkg-dev lintian mmdebstrap

.DEFAULT_GOAL := help
.PHONY: help run deb test lint bench soak fuzz deps deps-test cargo-deb footage vm probe clean
# One step after the other, whatever -j says: the tests run in real time, and apt has one lock.
.NOTPARALLEL:

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: deps ## build, put a demo venue on air, open its window, and say where to watch
	cargo build --release
	@tests/tools/demo target/release/regie tests/demo/venue.toml

deb: deps cargo-deb ## build the Debian package that makes a PC the appliance, in target/debian
	@tests/tools/packages dpkg-dev
	cargo build --release
	@systemd/package/build target/release/regie

test: deps-test cargo-deb footage vm ## unit tests side by side, then the real-time tests one at a time
	cargo test --lib --bins
	cargo test --no-fail-fast --test '*' -- --test-threads=1
	@echo "make test: every unit and real-time test passed"

lint: deps ## format and clippy, with the panel and without
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --lib --bins --no-default-features -- -D warnings

bench: deps-test footage vm probe ## measure what the project promises in figures
	cargo bench --bench start --bench sync --bench delay --bench panel --bench cost --bench capture --bench fanout

soak: deps-test footage probe ## an hour in real time (SOAK=SECONDS): what must not grow
	cargo bench --bench soak

# Fuzzing instruments the code, which only a nightly compiler is said to do; the stable one does it as
# well when it is told to. Whatever is found lies in target/fuzz.
FUZZ_SECONDS ?= 60
fuzz: ## what strangers can send, a minute for each reader of it (FUZZ_SECONDS=)
	@tests/tools/packages g++
	@test -x target/tools/bin/cargo-fuzz || cargo install --quiet --locked --root target/tools cargo-fuzz@0.13.2
	@for target in $$(target/tools/bin/cargo-fuzz list); do \
		mkdir -p target/fuzz/corpus/$$target target/fuzz/found && \
		RUSTC_BOOTSTRAP=1 target/tools/bin/cargo-fuzz run --target-dir target/fuzz $$target target/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=20000 -rss_limit_mb=512 -artifact_prefix=target/fuzz/found/ || exit 1; \
	done

deps: ## install the packages that building and running need
	@tests/tools/packages $(PACKAGES)

deps-test: ## the same, and what the tests need
	@tests/tools/packages $(PACKAGES) $(TEST_PACKAGES)

# Not optimised: it is built faster than what that would save it. Without liblzma: the program xz will do.
cargo-deb:
	@test -x target/tools/bin/cargo-deb || \
		cargo install --quiet --locked --debug --no-default-features --root target/tools cargo-deb@3.8.0

footage: ## fetch and draw the pictures and sounds that the tests send
	@tests/tools/footage

# Exit status 69: this machine cannot have it. The tests that want it say so, and are skipped.
vm: deps-test ## fetch the kernel of the virtual machine that has the tests' devices
	@tests/tools/vm/prepare || [ $$? -eq 69 ]

# Not Debian's python3-av (10.0): before 18, av.open() with options crashes on a live FLV stream.
probe: deps-test ## install what tests/tools/probe needs, in target/python
	@test -e target/python/made || { \
		python3 -m pip install --quiet --disable-pip-version-check --only-binary :all: --target target/python av==18.1.0 numpy==2.2.6 && \
		touch target/python/made; }

clean: ## remove everything built, the footage as well
	cargo clean
