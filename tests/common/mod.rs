//! What the tests of the whole product are written with: a real engine, a real nginx-rtmp,
//! real laptops (ffmpeg), and viewers that record what they were sent and measure it.
//!
//! Everything runs in folders and on ports of its own, and is ended when its value is dropped.
//! Nothing here sleeps for luck: every wait has a deadline, and says what it waited for.

// Each test crate includes this module whole and uses the part that it needs.
#![allow(dead_code, unused_imports)]

mod appliance;
mod building;
mod cage;
mod crowd;
mod drain;
mod drawn;
mod driver;
mod ear;
mod elsewhere;
mod engine;
mod eye;
mod held;
mod laptop;
mod namespace;
mod nginx;
mod obs;
mod package;
mod panel;
mod peer;
mod picture;
mod player;
mod probe;
mod process;
mod recording;
mod reference;
mod room;
mod shot;
mod sound;
mod sound_server;
mod supervisor;
mod tls_front;
mod track;
mod usage;
mod usb_card;
mod viewer;
mod vm;
mod wall;
mod widget;

pub use appliance::{Disk, Pc};
pub use building::Building;
pub use cage::Cage;
pub use crowd::{Player, ask_for_both, ask_to_play, connect_from};
pub use drain::{Drain, play_by_rtmp, play_by_rtsp};
pub use drawn::{draw, during};
pub use ear::{Ear, Heard, clock};
pub use elsewhere::{Announcer, Elsewhere};
pub use engine::{Engine, Watch};
pub use eye::Eye;
pub use held::Held;
pub use laptop::{Laptop, Push};
pub use namespace::Namespace;
pub use nginx::Nginx;
pub use obs::Obs;
pub use package::Package;
pub use panel::{Look, Panel};
pub use peer::{Manner, Peer};
pub use picture::{Colour, Picture};
pub use player::{plays_in_gstreamer, plays_in_mpv};
pub use probe::{Stamps, read_stamps, stamp, stamp_silent};
pub use process::{Process, Said, skip};
pub use recording::Recording;
pub use reference::Reference;
pub use room::Room;
pub use shot::Shot;
pub use sound::Sound;
pub use sound_server::{SoundServer, Tune};
pub use supervisor::{Story, Supervisor};
pub use tls_front::TlsFront;
pub use track::{Packet, Track};
pub use usage::Usage;
pub use usb_card::UsbCard;
pub use viewer::Viewer;
pub use vm::{Vm, modprobe, set_control, settle, unload};
pub use wall::{Sight, Wall, number_in, numbered, numbered_and_heard};
pub use widget::{Node, Widget};

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Waits until `is_so` says yes, and answers how long that took; panics at the deadline.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        if is_so() {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < deadline,
            "waited {deadline:?} in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whole seconds, to let deadlines read well.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A port free for TCP and UDP, below the range that the kernel gives to outgoing connections:
/// those could take it while a server is down that is to return on it.
#[track_caller]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes side by side begin at different places.
    let start = (std::process::id() % 240) as u16 * 50;
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let tcp = TcpListener::bind(("0.0.0.0", port));
        let udp = UdpSocket::bind(("0.0.0.0", port));
        if tcp.is_ok() && udp.is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

/// A file of the tests' footage; `tests/tools/footage` says what each one shows.
#[track_caller]
pub fn footage(name: &str) -> PathBuf {
    let folder = std::env::var_os("REGIE_FOOTAGE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/footage"),
        PathBuf::from,
    );
    let file = folder.join(name);
    assert!(
        file.exists(),
        "{} is missing: run `make footage`",
        file.display()
    );
    file
}

/// 1080p30 slides: title band 1A365D (y < 0.148), below it red C00000 (x < 1/3), else white.
#[track_caller]
pub fn slides() -> PathBuf {
    footage("slides.mp4")
}

/// 720p25 flat green 00A000 (white box below y 0.88), with a 1 kHz tone at -15 dB.
#[track_caller]
pub fn camera() -> PathBuf {
    footage("camera.mp4")
}

/// 720p25 real footage with real stereo sound.
#[track_caller]
pub fn talk() -> PathBuf {
    footage("talk.mp4")
}
