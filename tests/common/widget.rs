//! One widget of a panel: looked for by its name, seen and used.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::panel::Panel;
use super::wait_until;

/// What a person would call at once, on a machine that does other things beside it.
const SOON: Duration = Duration::from_secs(3);

/// One widget, looked for anew each time.
pub struct Widget<'a> {
    pub(super) panel: &'a Panel,
    pub(super) role: &'static str,
    pub(super) name: String,
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
    pub(super) fn read(said: &Value) -> Self {
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
