//! The operator's real window on a display of its own, and somebody who looks at it, types and
//! clicks: what a screen reader sees (AT-SPI) and what a hand does (XTEST).
//!
//!     let panel = Panel::open(&engine.room, Look::default());
//!     panel.button("Layout Slides + speaker").press();
//!     panel.key("Return");
//!     panel.image("Programme").wait_description("Slides + speaker");
//!
//! Display, session bus, accessibility bus, driver (`tests/tools/panel`) and window belong to this
//! panel alone and end with it. There is no window manager: the window has the whole display.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::driver::{Accessibility, Attendant, Driver, wait_for_accessibility};
use super::picture::Picture;
use super::process::Process;
use super::room::Room;
use super::shot::Shot;
use super::wall::Wall;
use super::widget::{Node, Widget};

/// From the start of a panel until its window is there.
const OPEN: Duration = Duration::from_secs(15);

/// How a panel is started.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Of the display and of the window.
    pub size: (u32, u32),
    /// The display's pixels per pixel of the window.
    pub scale: u32,
    /// As in `LANG`.
    pub locale: &'static str,
    /// What `regie` is given: `panel`, or arguments of `regie` alone.
    pub arguments: Vec<String>,
    /// How many pictures its window shows.
    pub images: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            size: (1280, 720),
            scale: 1,
            locale: "C.UTF-8",
            arguments: vec!["panel".into()],
            images: 2,
        }
    }
}

impl Look {
    pub fn sized(width: u32, height: u32) -> Self {
        Self {
            size: (width, height),
            ..Self::default()
        }
    }

    pub fn french(self) -> Self {
        Self {
            locale: "fr_FR.UTF-8",
            ..self
        }
    }

    pub fn scaled(self, scale: u32) -> Self {
        Self { scale, ..self }
    }

    /// `regie screen ARGUMENTS…`.
    pub fn screen(arguments: &[&str]) -> Self {
        Self {
            images: 1,
            ..Self::default().by(&[&["screen"], arguments].concat())
        }
    }

    /// `regie ARGUMENTS…` in place of `regie panel`.
    pub fn by(self, arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            ..self
        }
    }
}

/// An open panel; dropped, it and its display are gone.
pub struct Panel {
    look: Look,
    driver: RefCell<Driver>,
    process: Process,
    display: String,
    folder: TempDir,
    // Ends last, and in this order.
    _bus: Attendant,
    _accessibility: Accessibility,
    _screen: Attendant,
}

impl Panel {
    /// Opens a panel for the engine of this room, running or not, and waits for its window.
    #[track_caller]
    pub fn open(room: &Room, look: Look) -> Self {
        let folder = TempDir::with_prefix("regie-panel-").expect("a temporary folder");
        let path = folder.path();
        let (width, height) = look.size;
        let geometry = format!("{width}x{height}x24");
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"]);
        command.arg(geometry).arg("-fbdir").arg(path);
        let (screen, number) = Attendant::start(&mut command, path);
        let display = format!(":{number}");
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--print-address=1"]);
        let (bus, address) = Attendant::start(command.env("XDG_RUNTIME_DIR", path), path);
        let surround = |command: &mut Command| {
            command
                .env("DISPLAY", &display)
                .env("DBUS_SESSION_BUS_ADDRESS", &address)
                .env("XDG_RUNTIME_DIR", path);
        };
        let mut command = Command::new("/usr/libexec/at-spi-bus-launcher");
        surround(command.arg("--launch-immediately"));
        let accessibility = Accessibility::start(&mut command, path);
        wait_for_accessibility(&address);
        let arguments: Vec<&str> = look.arguments.iter().map(String::as_str).collect();
        let mut command = room.command(&arguments);
        surround(&mut command);
        command
            .env("GSK_RENDERER", "cairo")
            .env("GDK_BACKEND", "x11")
            .env("GDK_SCALE", look.scale.to_string())
            .envs(["LANG", "LC_ALL"].map(|name| (name, look.locale)))
            .env_remove("LANGUAGE");
        let process = Process::start("the panel", &mut command, &path.join("panel.log"));
        let mut command = Command::new("/usr/bin/python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/panel"));
        surround(&mut command);
        command
            .env("PANEL_PID", process.id().to_string())
            .envs((look.images == 1).then_some(("PANEL_THOROUGH", "1")))
            .env("GDK_SCALE", look.scale.to_string());
        let mut panel = Self {
            driver: RefCell::new(Driver::start(&mut command, path)),
            look,
            process,
            display,
            folder,
            _bus: bus,
            _accessibility: accessibility,
            _screen: screen,
        };
        panel.wait_window();
        panel
    }

    #[track_caller]
    fn wait_window(&mut self) {
        let begun = Instant::now();
        let roles = json!({"do": "tree", "roles": ["image"]});
        let shows = |panel: &Self| {
            let images = panel.ask(&roles).unwrap_or_default();
            (images.as_array()).is_some_and(|images| images.len() == panel.look.images)
        };
        while self.windows().is_empty() || !shows(self) {
            self.process.assert_running();
            let late = begun.elapsed() > OPEN;
            assert!(!late, "no window after {OPEN:?}; it said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
        let (width, height) = self.look.size;
        self.tell(json!({"do": "fit", "size": [width, height]}));
    }

    /// A button by its name.
    pub fn button(&self, name: &str) -> Widget<'_> {
        self.widget("button", name)
    }

    pub fn slider(&self, name: &str) -> Widget<'_> {
        self.widget("slider", name)
    }

    pub fn spin_button(&self, name: &str) -> Widget<'_> {
        self.widget("spin button", name)
    }

    pub fn image(&self, name: &str) -> Widget<'_> {
        self.widget("image", name)
    }

    pub fn meter(&self, name: &str) -> Widget<'_> {
        self.widget("meter", name)
    }

    pub fn label(&self, text: &str) -> Widget<'_> {
        self.widget("label", text)
    }

    /// The fault bar: its description is what it says.
    pub fn fault_bar(&self) -> Widget<'_> {
        self.widget("group", "Faults")
    }

    fn widget(&self, role: &'static str, name: &str) -> Widget<'_> {
        Widget {
            panel: self,
            role,
            name: name.to_owned(),
        }
    }

    /// Presses and releases a key, or several at once: `F3`, `Shift+F3`.
    #[track_caller]
    pub fn key(&self, keys: &str) {
        let keys: Vec<&str> = keys
            .split('+')
            .map(|key| if key == "Shift" { "Shift_L" } else { key })
            .collect();
        self.tell(json!({"do": "key", "keys": keys}));
    }

    /// Leans on a key: the display repeats it, some twenty times a second after 0.7 s.
    #[track_caller]
    pub fn hold_key(&self, key: &str, time: Duration) {
        self.tell(json!({"do": "key", "keys": [key], "hold": time.as_secs_f64()}));
    }

    /// Asks the window to close, as a window manager does.
    #[track_caller]
    pub fn ask_to_close(&self) {
        self.tell(json!({"do": "close"}));
    }

    /// Everything that can be used or looked at, in the window's order: what has to have a name.
    #[track_caller]
    pub fn controls(&self) -> Vec<Node> {
        self.all(&[
            "button",
            "toggle button",
            "checkbox",
            "text box",
            "slider",
            "spin button",
            "image",
            "meter",
        ])
    }

    /// Everything that is written in the window.
    #[track_caller]
    pub fn labels(&self) -> Vec<Node> {
        self.all(&["label"])
    }

    /// Everything of these roles that the window shows.
    #[track_caller]
    fn all(&self, roles: &[&str]) -> Vec<Node> {
        let found = self.tell(json!({"do": "tree", "roles": roles}));
        let nodes = found.as_array().into_iter().flatten();
        nodes.map(Node::read).collect()
    }

    /// How many windows are on the display.
    #[track_caller]
    pub fn window_count(&self) -> usize {
        self.windows().len()
    }

    fn windows(&self) -> Vec<Value> {
        let windows = self.ask(&json!({"do": "windows"})).unwrap_or_default();
        windows.as_array().cloned().unwrap_or_default()
    }

    /// The display as it is now, also kept as a PNG file where `file` names one.
    #[track_caller]
    pub fn picture(&self, file: Option<&Path>) -> Shot {
        let (width, height) = self.look.size;
        let size = format!("{width}x{height}");
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-f",
            "x11grab",
            "-draw_mouse",
            "0",
        ]);
        command.args(["-video_size", &size, "-i", &self.display]);
        command.args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
        if let Some(file) = file {
            command.args(["-frames:v", "1"]).arg(file);
        }
        let output = command.stdin(Stdio::null()).output().expect("ffmpeg grabs");
        let picture = Picture::new(width as usize, height as usize, output.stdout);
        let window = self.all(&["window"]).into_iter().next();
        let window = window.expect("a window");
        let scale = f64::from(self.look.scale);
        Shot {
            picture,
            scale,
            // Without a window manager a border of GTK's own lies round the contents.
            margin: (f64::from(width) - window.extents[2] * scale) / 2.0,
        }
    }

    /// The display's memory, to be read as it changes.
    #[track_caller]
    pub fn wall(&self) -> Wall {
        Wall::open(&self.folder.path().join("Xvfb_screen0"))
    }

    /// The windows on the display: x, y, width, height.
    pub fn places(&self) -> Vec<[u64; 4]> {
        let windows = self.windows();
        let place = |window: &Value| [0, 1, 2, 3].map(|at| window[at].as_u64().unwrap_or(0));
        windows.iter().map(place).collect()
    }

    /// Of its display.
    pub fn height(&self) -> u32 {
        self.look.size.1
    }

    /// All that the panel has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// What GTK and its kin have complained about, but for a locale that is not installed.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let bad = log.lines().filter(|line| {
            (line.contains("WARNING") || line.contains("CRITICAL") || line.contains("panicked"))
                && !line.contains("Locale not supported")
        });
        bad.map(str::to_owned).collect()
    }

    /// The window's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A file beside the panel's log.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What the driver answers.
    pub(super) fn ask(&self, request: &Value) -> Result<Value, String> {
        self.driver.borrow_mut().ask(request)
    }

    /// The same, where an error fails the test.
    #[track_caller]
    pub(super) fn tell(&self, request: Value) -> Value {
        self.ask(&request)
            .unwrap_or_else(|error| panic!("{request}: {error}\nthe panel's log:\n{}", self.log()))
    }
}

impl Drop for Panel {
    /// A failing test shows what the window showed.
    fn drop(&mut self) {
        if std::thread::panicking() && self.process.ended().is_none() {
            let tree = self.ask(&json!({"do": "tree"})).unwrap_or_default();
            let nodes = tree.as_array().into_iter().flatten().map(Node::read);
            for node in nodes.filter(|node| !node.name.is_empty()) {
                let (name, more) = (&node.name, &node.description);
                eprintln!("{:?} {} {name:?} {more:?}", node.extents, node.role);
            }
            eprintln!("--- the panel's log:\n{}\n---", self.process.log_tail());
        }
    }
}
