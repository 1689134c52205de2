//! A real OBS: Debian's, on a screen of its own, drawn without a graphics card, asked by its websocket.
//!
//!     let mut obs = Obs::open();
//!     obs.stream("rtmp://127.0.0.1:1935/ingest", "laptop?key=K");
//!
//! It shows one flat colour on a canvas of 640x360, and tries again every second where it is cut off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{free_port, wait_until};

/// From its start until it can be asked.
const START: Duration = Duration::from_secs(20);
const ANSWER: Duration = Duration::from_secs(10);

/// OBS at work; dropped, it is gone.
pub struct Obs {
    port: u16,
    process: Process,
    screen: Process,
    display: String,
    folder: TempDir,
}

impl Obs {
    /// What it shows: blue.
    pub const COLOUR: super::Colour = super::Colour(0x00, 0x30, 0xC0);

    /// Starts it. It does not stream yet.
    #[track_caller]
    pub fn open() -> Self {
        let folder = TempDir::with_prefix("regie-obs-").expect("a temporary folder");
        let port = free_port();
        settle(folder.path(), port);
        let log = folder.path().join("screen.log");
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp"]);
        command.args(["-screen", "0", "1024x768x24"]);
        let screen = Process::start("Xvfb", &mut command, &log);
        let number = || {
            let log = screen.log();
            let mut lines = log.lines().filter_map(|line| line.parse::<u32>().ok());
            lines.next()
        };
        wait_until(START, "a screen for OBS", || number().is_some());
        let display = format!(":{}", number().expect("just seen"));
        let process = launch(folder.path(), &display);
        let mut obs = Self {
            port,
            process,
            screen,
            display,
            folder,
        };
        obs.wait_ready();
        obs
    }

    /// Streams to this server with this key.
    #[track_caller]
    pub fn stream(&mut self, server: &str, key: &str) {
        let settings = json!({ "server": server, "key": key, "use_auth": false });
        let service = json!({
            "streamServiceType": "rtmp_custom",
            "streamServiceSettings": settings,
        });
        self.ask("SetStreamServiceSettings", service);
        self.ask("StartStream", json!({}));
    }

    /// What it says of its stream: `outputActive`, `outputReconnecting`, `outputSkippedFrames`, …
    #[track_caller]
    pub fn status(&self) -> Value {
        self.ask("GetStreamStatus", json!({}))
    }

    /// It crashes.
    pub fn kill(&mut self) {
        self.process.kill9();
    }

    /// Somebody starts it again, and has it stream where it did.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.process = launch(self.folder.path(), &self.display);
        self.wait_ready();
        self.ask("StartStream", json!({}));
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    #[track_caller]
    fn wait_ready(&mut self) {
        wait_until(START, "OBS's websocket", || {
            self.process.assert_running();
            Socket::open(self.port).is_some()
        });
    }

    #[track_caller]
    fn ask(&self, what: &str, data: Value) -> Value {
        let mut last = Value::Null;
        // It listens before it can do anything.
        wait_until(START, what, || {
            let Some(mut socket) = Socket::open(self.port) else {
                return false;
            };
            last = socket.ask(what, &data).unwrap_or_default();
            last["requestStatus"]["result"] == true
        });
        last["responseData"].take()
    }
}

impl Drop for Obs {
    fn drop(&mut self) {
        self.process.kill9();
        self.screen.kill9();
        if std::thread::panicking() {
            eprintln!("--- OBS's log:\n{}\n---", self.process.log_tail());
        }
    }
}

#[track_caller]
fn launch(folder: &Path, display: &str) -> Process {
    let mut command = Command::new("obs");
    command
        .args(["--multi", "--minimize-to-tray", "--profile", "regie"])
        .args(["--collection", "regie"])
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("DISPLAY", display)
        .env("QT_QPA_PLATFORM", "xcb")
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("LANG", "C.UTF-8")
        .env_remove("WAYLAND_DISPLAY");
    Process::start("OBS", &mut command, &folder.join("obs.log"))
}

/// The settings of somebody who has used it before: it asks nothing at its start.
fn settle(folder: &Path, port: u16) {
    let home = folder.join("obs-studio");
    let profile = home.join("basic/profiles/regie");
    let scenes = home.join("basic/scenes");
    for folder in [&profile, &scenes] {
        std::fs::create_dir_all(folder).expect("a folder for OBS");
    }
    let global = format!(
        "[General]\nFirstRun=true\nLastVersion=486539266\nPre19Defaults=false\n\
         Pre21Defaults=false\nPre23Defaults=false\nPre24.1Defaults=false\nEnableAutoUpdates=false\n\
         [Basic]\nProfile=regie\nProfileDir=regie\nSceneCollection=regie\n\
         SceneCollectionFile=regie\nConfigOnNewProfile=false\n\
         [OBSWebSocket]\nFirstLoad=false\nServerEnabled=true\nServerPort={port}\n\
         AlertsEnabled=false\nAuthRequired=false\n"
    );
    let basic = "[General]\nName=regie\n[Output]\nMode=Simple\nReconnect=true\nRetryDelay=1\n\
                 MaxRetries=50\n[SimpleOutput]\nVBitrate=800\nABitrate=96\nStreamEncoder=x264\n\
                 Preset=ultrafast\n[Video]\nBaseCX=640\nBaseCY=360\nOutputCX=640\nOutputCY=360\n\
                 FPSType=0\nFPSCommon=30\n[Audio]\nSampleRate=48000\nChannelSetup=Stereo\n";
    let colour = Obs::COLOUR;
    let number = u32::from_le_bytes([colour.0, colour.1, colour.2, 0xFF]);
    let card = json!({
        "id": "color_source_v3", "versioned_id": "color_source_v3", "name": "card",
        "settings": { "color": number, "width": 640, "height": 360 }, "enabled": true,
    });
    let item = json!({
        "name": "card", "id": 1, "visible": true, "locked": false, "rot": 0.0, "align": 5,
        "pos": { "x": 0.0, "y": 0.0 }, "scale": { "x": 1.0, "y": 1.0 },
        "bounds": { "x": 0.0, "y": 0.0 }, "bounds_type": 0, "bounds_align": 0,
        "crop_left": 0, "crop_top": 0, "crop_right": 0, "crop_bottom": 0,
    });
    let scene = json!({
        "id": "scene", "versioned_id": "scene", "name": "Scene", "enabled": true,
        "settings": { "id_counter": 1, "custom_size": false, "items": [item] },
    });
    let collection = json!({
        "name": "regie", "current_scene": "Scene", "current_program_scene": "Scene",
        "scene_order": [{ "name": "Scene" }], "sources": [card, scene],
    });
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file for OBS");
    write(&home.join("global.ini"), &global);
    write(&profile.join("basic.ini"), basic);
    write(&scenes.join("regie.json"), &collection.to_string());
}

/// A websocket (RFC 6455), as far as OBS's needs it: short texts, one question at a time.
struct Socket(TcpStream);

impl Socket {
    /// `None`: nobody is there yet.
    fn open(port: u16) -> Option<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        let hello = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: cmVnaWUtdGVzdHMtaGVyZQ==\r\n\
             Sec-WebSocket-Protocol: obswebsocket.json\r\n\r\n"
        );
        stream.write_all(hello.as_bytes()).ok()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.extend(byte);
        }
        let mut socket = Self(stream);
        // Hello, then who we are, then: known.
        socket.read()?;
        socket.write(&json!({ "op": 1, "d": { "rpcVersion": 1, "eventSubscriptions": 0 } }))?;
        (socket.read()?["op"] == 2).then_some(socket)
    }

    fn ask(&mut self, what: &str, data: &Value) -> Option<Value> {
        let question = json!({ "requestType": what, "requestId": "1", "requestData": data });
        self.write(&json!({ "op": 6, "d": question }))?;
        Some(self.read()?["d"].take())
    }

    fn write(&mut self, value: &Value) -> Option<()> {
        let text = value.to_string();
        let length = u16::try_from(text.len()).ok()?;
        // A text in one piece; masked with zeros, which changes nothing.
        let mut frame = vec![0x81];
        if length < 126 {
            frame.push(0x80 | length as u8);
        } else {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        frame.extend([0; 4]);
        frame.extend(text.bytes());
        self.0.write_all(&frame).ok()
    }

    fn read(&mut self) -> Option<Value> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let more = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut long = [0; 8];
        self.0.read_exact(&mut long[8 - more..]).ok()?;
        let length = match more {
            0 => u64::from(head[1]),
            _ => u64::from_be_bytes(long),
        };
        let mut text = vec![0; length as usize];
        self.0.read_exact(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }
}
