//! A PC of its own: the package on a plain Debian 12, switched on, and nobody who touches it.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Colour, Disk, Nginx, Package, Pc, Picture, Recording, Viewer, seconds, wait_until};

/// Processors are emulated here where there is no KVM, twenty to a hundred times slower than they are.
const BOOT: Duration = seconds(240);
const COMMAND: Duration = seconds(60);

const RED: Colour = Colour(0xC0, 0x00, 0x00);
const GREEN: Colour = Colour(0x00, 0xA0, 0x00);
/// The panel's own, as its style has it.
const GROUND: Colour = Colour(0x0E, 0x0F, 0x12);

/// The programme is told apart by what lies around the slides.
fn venue(output: &str) -> String {
    format!(
        r##"
name = "Amphi A"
[programme]
size = "192x108"
framerate = "5"
encoder = "x264"
x264_preset = "ultrafast"
video_bitrate = "200k"
keyframe_interval = "1s"
[[source]]
id = "pattern"
kind = "test"
role = "slides"
size = "192x108"
[[layout]]
id = "red"
background = "#c00000"
slots = [ {{ role = "slides", x = 0.5, y = 0.5, width = 0.5, height = 0.5 }} ]
[[layout]]
id = "green"
background = "#00a000"
slots = [ {{ role = "slides", x = 0.5, y = 0.5, width = 0.5, height = 0.5 }} ]
[[output]]
id = "server"
uri = "{output}"
"##
    )
}

/// What an administrator does, and what would be lost if the package took more than its own with it.
fn setup(output: &str) -> String {
    format!(
        r#"
dpkg -i /root/regie.deb
mkdir -p /var/lib/regie/recordings
echo monday >/var/lib/regie/recordings/monday.mkv
echo secret >/etc/regie/laptop.key
echo '# edited' >>/etc/regie/venue.toml

dpkg --remove regie
test ! -e /usr/bin/regie
grep -qx '# edited' /etc/regie/venue.toml
grep -qx monday /var/lib/regie/recordings/monday.mkv

dpkg --purge regie
test ! -e /etc/regie/venue.toml
grep -qx secret /etc/regie/laptop.key
grep -qx monday /var/lib/regie/recordings/monday.mkv

dpkg -i /root/regie.deb
test -L /etc/systemd/system/multi-user.target.wants/regie.service
test -L /etc/systemd/system/graphical.target.wants/regie-kiosk.service
test ! -e /etc/systemd/system/graphical.target.wants/regie-screen.service

cat >/etc/regie/venue.toml <<'VENUE'
{venue}
VENUE
regie check

# Emulated processors may need longer for a picture than the watchdog waits.
mkdir -p /etc/systemd/system/regie.service.d
printf '[Service]\nWatchdogSec=60\nTimeoutStartSec=infinity\n' >/etc/systemd/system/regie.service.d/slow.conf
# On a PC that runs, installing starts the engine, which looks at GStreamer's plug-ins for the first time.
mkdir -m 1777 /tmp/first
unshare --net setpriv --reuid regie --regid regie --init-groups \
    env GST_REGISTRY=/var/cache/regie/registry.bin STATE_DIRECTORY=/tmp/first RUNTIME_DIRECTORY=/tmp/first \
    timeout 60 regie engine &
i=0
until [ -s /var/cache/regie/registry.bin ] || [ $i -ge 600 ]; do sleep 0.1; i=$((i + 1)); done
kill $! || true
wait || true
test -s /var/cache/regie/registry.bin
# And so does the panel, before it finds that it has no display here.
! setpriv --reuid regie-kiosk --regid regie-kiosk --init-groups \
    env GST_REGISTRY=/var/cache/regie-kiosk/registry.bin HOME=/var/lib/regie-kiosk regie panel
test -s /var/cache/regie-kiosk/registry.bin
rm -rf /tmp/first
"#,
        venue = venue(output)
    )
}

/// What a PC has shown since it was switched on.
struct Start {
    pc: Pc,
    /// From the start of its kernel until the server had the first of its stream.
    on_air: Duration,
}

impl Start {
    /// Switches on, and waits: for the programme at the server, and for the engine to be ready.
    #[track_caller]
    fn watch(disk: &Disk, server: &Nginx, what: &str) -> Self {
        let mut pc = disk.power_on();
        wait_until(BOOT, "the programme is at the server", || {
            pc.is_on() && server.bytes_in("live", "show") > 0
        });
        let first = Instant::now();
        let kernel = pc.kernel_start(BOOT);
        let on_air = first.duration_since(kernel);
        let ready = pc.property("regie.service", "ActiveEnterTimestampMonotonic");
        let ready = Duration::from_micros(ready.parse().expect("microseconds"));
        eprintln!(
            "{what}: from the start of the kernel {:.1} s to READY, {:.1} s to the first frame at the server",
            ready.as_secs_f64(),
            on_air.as_secs_f64()
        );
        assert_eq!(pc.property("regie.service", "ActiveState"), "active");
        assert_eq!(pc.property("regie.service", "NRestarts"), "0");
        Self { pc, on_air }
    }
}

impl Pc {
    #[track_caller]
    fn property(&mut self, unit: &str, name: &str) -> String {
        let said = self.shell(&format!("systemctl show {unit} -P {name}"), COMMAND);
        said.assert_ok().out.trim().to_owned()
    }

    /// Waits until the panel shows the programme on the display: its own ground, and the layout's colour in
    /// the programme's monitor.
    #[track_caller]
    fn wait_panel(&mut self, layout: Colour) -> Picture {
        let begun = Instant::now();
        loop {
            let picture = self.display();
            if picture.share_like(GROUND) > 0.1 && picture.colour_at(0.42, 0.25).is_like(layout) {
                return picture;
            }
            if begun.elapsed() > BOOT {
                // What the session says has no unit's name in the journal.
                let log = self.shell(
                    "loginctl; systemctl status regie-kiosk; journalctl -b --no-pager _UID=$(id -u regie-kiosk) | tail -n 40",
                    COMMAND,
                );
                panic!(
                    "no panel on the display; see {}\n{}",
                    picture.keep(),
                    log.out
                );
            }
            self.shell("sleep 1", COMMAND);
        }
    }
}

/// What viewers of the server see, some pictures long.
#[track_caller]
fn look(server: &Nginx) -> Recording {
    let mut viewer = Viewer::watch(&server.rtmp_url("live", "show"));
    viewer.wait_picture(COMMAND);
    wait_until(COMMAND, "some seconds of pictures", || {
        viewer.bytes() > 60_000
    });
    viewer.stop()
}

#[test]
fn switched_on_it_is_on_air_and_after_a_power_cut_as_it_was() {
    let server = Nginx::running();
    // The host, as the guest sees it.
    let output = server
        .rtmp_url("live", "show")
        .replace("127.0.0.1", "10.0.2.2");
    let package = Package::build_light();
    let begun = Instant::now();
    let Some(disk) = Disk::lay_out(&package, &setup(&output)) else {
        return;
    };
    eprintln!(
        "the disk is laid out after {:.0} s",
        begun.elapsed().as_secs_f64()
    );

    let Start { mut pc, on_air } = Start::watch(&disk, &server, "first start");
    assert!(on_air < BOOT);
    let seen = look(&server);
    eprintln!(
        "{} frames at the server, {:.1} a second",
        seen.video().packets.len(),
        seen.frames_per_second()
    );
    seen.late_picture().assert_colour(0.2, 0.2, RED);
    let panel = pc.wait_panel(RED);
    eprintln!("the panel is on the display: {}", panel.keep());

    pc.shell("regie ctl take green", COMMAND).assert_ok();
    look(&server).late_picture().assert_colour(0.2, 0.2, GREEN);
    pc.pull_the_plug();
    wait_until(COMMAND, "the server has noticed", || {
        !server.publishing("live", "show")
    });

    let Start { mut pc, .. } = Start::watch(&disk, &server, "after the power cut");
    look(&server).late_picture().assert_colour(0.2, 0.2, GREEN);
    let kept = pc.shell("cat /var/lib/regie/recordings/monday.mkv", COMMAND);
    assert_eq!(kept.assert_ok().out.trim(), "monday");

    // An upgrade while on air: nothing is restarted, and what was stopped stays so. (Drawing the panel, an
    // emulated processor has little left for dpkg.)
    pc.shell("systemctl stop regie-kiosk", COMMAND).assert_ok();
    let before = pc.property("regie.service", "MainPID");
    let upgrade = pc.shell("dpkg -i /root/regie.deb", BOOT);
    assert!(
        upgrade.assert_ok().out.contains("the show goes on"),
        "{}",
        upgrade.out
    );
    assert_eq!(pc.property("regie.service", "MainPID"), before);
    assert_eq!(pc.property("regie-kiosk.service", "MainPID"), "0");
}
