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
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::picture::{Colour, Picture};
use super::process::{Process, Said};
use super::room::Room;
use super::wait_until;

/// What a person would call at once, on a machine that does other things beside it.
const SOON: Duration = Duration::from_secs(3);
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
}

impl Default for Look {
    fn default() -> Self {
        Self {
            size: (1280, 720),
            scale: 1,
            locale: "C.UTF-8",
            arguments: vec!["panel".into()],
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
        let (screen, number) = Attendant::start(command.arg(geometry), path);
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
        let log = std::fs::File::create(path.join("accessibility.log")).expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let accessibility = Accessibility(command.spawn().expect("at-spi-bus-launcher starts"));
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
            images.as_array().is_some_and(|images| images.len() == 2)
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

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A file beside the panel's log.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn ask(&self, request: &Value) -> Result<Value, String> {
        self.driver.borrow_mut().ask(request)
    }

    #[track_caller]
    fn tell(&self, request: Value) -> Value {
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

/// One widget, looked for anew each time.
pub struct Widget<'a> {
    panel: &'a Panel,
    role: &'static str,
    name: String,
}

impl Widget<'_> {
    /// As it is now, once it is there.
    #[track_caller]
    pub fn node(&self) -> Node {
        let request = json!({"do": "find", "name": self.name, "role": self.role});
        let begun = Instant::now();
        loop {
            match self.panel.ask(&request) {
                Ok(found) => return Node::read(&found),
                Err(error) => assert!(begun.elapsed() < SOON, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Is it there, and seen?
    pub fn is_there(&self) -> bool {
        let request = json!({"do": "find", "name": self.name, "role": self.role});
        self.panel.ask(&request).is_ok()
    }

    #[track_caller]
    pub fn wait_there(&self) -> &Self {
        self.wait_within(SOON)
    }

    /// The same, for what comes late.
    #[track_caller]
    pub fn wait_within(&self, deadline: Duration) -> &Self {
        let what = format!("{} {:?} is shown", self.role, self.name);
        wait_until(deadline, &what, || self.is_there());
        self
    }

    #[track_caller]
    pub fn wait_gone(&self) {
        let what = format!("{} {:?} is gone", self.role, self.name);
        wait_until(SOON, &what, || !self.is_there());
    }

    /// Waits until it is as `is_so` wants it, and says how long that took.
    #[track_caller]
    pub fn wait(&self, deadline: Duration, what: &str, is_so: impl Fn(&Node) -> bool) -> Duration {
        let what = format!("{} {:?} {what}", self.role, self.name);
        wait_until(deadline, &what, || is_so(&self.node()))
    }

    /// Waits until its description holds this text.
    #[track_caller]
    pub fn wait_description(&self, text: &str) -> Duration {
        self.wait(SOON, text, |node| node.description.contains(text))
    }

    #[track_caller]
    pub fn wait_value(&self, value: f64) {
        self.wait(SOON, &format!("has the value {value}"), |node| {
            node.value.is_some_and(|own| (own - value).abs() < 0.051)
        });
    }

    /// Does what a click does, as a screen reader asks for it: GTK's buttons are then seen to be
    /// pressed, and do it a quarter of a second later.
    #[track_caller]
    pub fn press(&self) {
        self.node();
        self.tell("press");
    }

    /// Clicks it with the mouse.
    #[track_caller]
    pub fn click(&self) {
        self.hold(Duration::ZERO);
    }

    /// Holds it down with the mouse for this long.
    #[track_caller]
    pub fn hold(&self, time: Duration) {
        self.node();
        self.tell("down");
        // It is the span of time that means something here.
        std::thread::sleep(time);
        self.tell("up");
    }

    /// Gives it the focus without a click: held, and let go somewhere else.
    #[track_caller]
    pub fn focus(&self) {
        self.node();
        self.tell("down");
        self.wait(SOON, "has the focus", |node| node.has("focused"));
        let (role, name) = (self.role, &self.name);
        self.panel
            .tell(json!({"do": "up", "name": name, "role": role, "outside": true}));
    }

    /// Moves a slider or a spin button to this value.
    #[track_caller]
    pub fn set(&self, value: f64) {
        self.node();
        let (role, name) = (self.role, &self.name);
        self.panel
            .tell(json!({"do": "set", "name": name, "role": role, "value": value}));
    }

    #[track_caller]
    fn tell(&self, verb: &str) {
        let (role, name) = (self.role, &self.name);
        self.panel
            .tell(json!({"do": verb, "name": name, "role": role}));
    }
}

/// A widget as a screen reader knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub role: String,
    pub name: String,
    pub description: String,
    pub states: Vec<String>,
    /// x, y, width, height in the window.
    pub extents: [f64; 4],
    pub value: Option<f64>,
}

impl Node {
    fn read(said: &Value) -> Self {
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        let states = said["states"].as_array().into_iter().flatten();
        Self {
            role: text("role"),
            name: text("name"),
            description: text("description"),
            states: states
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            extents: [0, 1, 2, 3].map(|i| said["extents"][i].as_f64().unwrap_or(0.0)),
            value: said["value"].as_f64(),
        }
    }

    pub fn has(&self, state: &str) -> bool {
        self.states.iter().any(|own| own == state)
    }
}

/// What was on the display at one moment.
pub struct Shot {
    pub picture: Picture,
    scale: f64,
    margin: f64,
}

impl Shot {
    /// The colour at a place of a widget, as fractions of its extents.
    pub fn colour_is(&self, node: &Node, at: (f64, f64), expected: Colour) -> Result<(), String> {
        let [left, top, width, height] = node.extents;
        let seen = self.colour(left + at.0 * width, top + at.1 * height);
        let is_so = seen.is_like(expected);
        let what = || format!("{seen:?} at {at:?} of {:?}, not {expected:?}", node.name);
        is_so.then_some(()).ok_or_else(what)
    }

    /// The colour of a widget's border: it lies outside the extents, beyond some padding.
    pub fn border_is(&self, node: &Node, expected: Colour) -> Result<(), String> {
        let [left, top, _, height] = node.extents;
        // Several lines: it may be dashed.
        let lines = (4..12).map(|line| top + height * f64::from(line) / 16.0);
        let places = lines.flat_map(|y| (1..40).map(move |x| (left - f64::from(x) / 2.0, y)));
        let is_so = places
            .map(|(x, y)| self.colour(x, y))
            .any(|seen| (9..=10).any(|share| seen.is_like(over_ground(expected, share))));
        let what = || format!("no {expected:?} left of {:?}", node.name);
        is_so.then_some(()).ok_or_else(what)
    }

    /// The colour of the pixel at a place of the window.
    #[track_caller]
    pub fn colour(&self, x: f64, y: f64) -> Colour {
        let place = |at: f64| at * self.scale + self.margin;
        let (width, height) = (self.picture.width as f64, self.picture.height as f64);
        self.picture.mean(
            (place(x) - 0.5).floor() / width,
            (place(y) - 0.5).floor() / height,
            1.0 / width,
            1.0 / height,
        )
    }
}

/// What a pixel looks like that a thin line covers by this many tenths.
fn over_ground(line: Colour, tenths: u16) -> Colour {
    const GROUND: Colour = Colour(0x0E, 0x0F, 0x12);
    let part = |line: u8, ground: u8| {
        ((u16::from(line) * tenths + u16::from(ground) * (10 - tenths)) / 10) as u8
    };
    Colour(
        part(line.0, GROUND.0),
        part(line.1, GROUND.1),
        part(line.2, GROUND.2),
    )
}

/// The process that sees and touches the panel.
struct Driver {
    _own: Attendant,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Driver {
    #[track_caller]
    fn start(command: &mut Command, folder: &Path) -> Self {
        let mut own = Attendant::spawn(command.stdin(Stdio::piped()), folder);
        Self {
            input: own.0.stdin.take().expect("a pipe"),
            output: BufReader::new(own.0.stdout.take().expect("a pipe")),
            _own: own,
        }
    }

    fn ask(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.input, "{request}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&line)
            .map_err(|error| format!("the driver said {line:?}: {error}"))?;
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["ok"].take()),
        }
    }
}

/// A process that the panel needs.
struct Attendant(Child);

impl Attendant {
    #[track_caller]
    fn spawn(command: &mut Command, folder: &Path) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("surroundings.log"))
            .expect("a log file");
        let child = command.stdout(Stdio::piped()).stderr(log).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}")))
    }

    /// Starts a process and answers the first line that it prints.
    #[track_caller]
    fn start(command: &mut Command, folder: &Path) -> (Self, String) {
        let mut own = Self::spawn(command.stdin(Stdio::null()), folder);
        let output = own.0.stdout.take().expect("a pipe");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        assert!(read.is_ok_and(|n| n > 0), "{command:?} says nothing");
        (own, line.trim().to_owned())
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Serves the accessibility bus; with the session bus it ends, and takes its children along.
struct Accessibility(Child);

impl Drop for Accessibility {
    fn drop(&mut self) {
        let begun = Instant::now();
        while self.0.try_wait().is_ok_and(|ended| ended.is_none()) && begun.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The panel must find the accessibility bus when it starts, or it does without.
#[track_caller]
fn wait_for_accessibility(address: &str) {
    wait_until(SOON, "the accessibility bus answers", || {
        let said = Said::by(Command::new("dbus-send").args([
            &format!("--bus={address}"),
            "--print-reply",
            "--dest=org.a11y.Bus",
            "/org/a11y/bus",
            "org.a11y.Bus.GetAddress",
        ]));
        said.is_ok()
    });
}
