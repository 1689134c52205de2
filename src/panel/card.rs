//! What lies over the board for a moment: a question, the keys, the list of faults. Never a dialog:
//! the keys of the show go on working.

use gtk::prelude::*;

use crate::model::{Inventory, OutputId, Severity, SourceId};
use crate::tongue::Tongue;

use super::action::{Act, Action, Answer};
use super::calibration::{Offer, Talk};
use super::devices;
use super::show::set_name;

/// What a card holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Card {
    /// Whether this output, of this name, is to stop.
    StopOutput(OutputId, String),
    /// Whether who pushes to this source is to go.
    Release {
        /// Which.
        source: SourceId,
        /// Its name.
        label: String,
        /// Who pushes.
        publisher: String,
    },
    /// How far a source's picture and a sound lie apart.
    Calibration(Talk),
    /// Whether the show goes on without the window; whether this window started the engine.
    Close {
        /// Then the show can be ended as well.
        own_engine: bool,
    },
    /// The keys.
    Keys,
    /// The last faults.
    Faults,
    /// Capture cards and audio inputs; `None` until they have answered.
    Devices(Option<Box<Inventory>>),
}

impl Card {
    /// Whether it waits for an answer.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            Self::StopOutput(..) | Self::Release { .. } | Self::Calibration(_) | Self::Close { .. }
        )
    }
}

/// One line of the list of faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When it began, as people read it.
    pub time: String,
    /// Its sentences.
    pub text: String,
    /// How bad it is, or was.
    pub severity: Severity,
    /// Whether it is over.
    pub over: bool,
}

/// Puts a card's contents into `place`.
pub fn fill(place: &gtk::Box, tongue: Tongue, card: &Card, past: &[Past], act: &Act) {
    clear(place);
    match card {
        Card::StopOutput(output, label) => {
            let title = tongue.tr("Stop {output}?").replace("{output}", label);
            heading(place, &title, tongue.tr("Its viewers lose the programme."));
            let stop = tongue.tr("Stop {output}").replace("{output}", label);
            let answers = [
                (tongue.tr("Keep it running"), Answer::Cancel, "calm"),
                (
                    stop.as_str(),
                    Answer::StopOutput(output.clone()),
                    "destructive",
                ),
            ];
            buttons(place, &answers, act);
        }
        Card::Release {
            source,
            label,
            publisher,
        } => {
            let title = tongue.tr("Release {source}?").replace("{source}", label);
            let body = tongue
                .tr("{publisher} is sent away; for ten seconds others go first.")
                .replace("{publisher}", publisher);
            heading(place, &title, &body);
            let answers = [
                (tongue.tr("Keep it running"), Answer::Cancel, "calm"),
                (
                    tongue.tr("Send it away"),
                    Answer::Release(source.clone()),
                    "destructive",
                ),
            ];
            buttons(place, &answers, act);
        }
        Card::Calibration(talk) => {
            heading(place, &talk.title, &talk.body);
            let again = Answer::Calibrate(talk.source.clone());
            let answers = match &talk.offer {
                Offer::Start => vec![
                    (tongue.tr("Cancel"), Answer::Cancel, "calm"),
                    (tongue.tr("Start"), again, "calm"),
                ],
                Offer::Wait => vec![(tongue.tr("Hide"), Answer::Cancel, "calm")],
                Offer::Again => vec![
                    (tongue.tr("Hide"), Answer::Cancel, "calm"),
                    (tongue.tr("Once more"), again, "calm"),
                ],
                Offer::Apply(delays) => {
                    let apply = Answer::SetDelays(delays.clone());
                    vec![
                        (tongue.tr("Cancel"), Answer::Cancel, "calm"),
                        (tongue.tr("Once more"), again, "calm"),
                        (tongue.tr("Set this delay"), apply, "calm"),
                    ]
                }
            };
            buttons(place, &answers, act);
        }
        Card::Close { own_engine } => {
            let title = tongue.tr("Close this window?");
            heading(place, title, tongue.tr("The show goes on without it."));
            let mut answers = vec![
                (tongue.tr("Cancel"), Answer::Cancel, "calm"),
                (
                    tongue.tr("Leave the show running"),
                    Answer::LeaveRunning,
                    "calm",
                ),
            ];
            if *own_engine {
                let stop = tongue.tr("Stop the show and close");
                answers.push((stop, Answer::StopShow, "destructive"));
            }
            buttons(place, &answers, act);
        }
        Card::Keys => {
            heading(place, tongue.tr("Keys"), "");
            place.append(&keys(tongue));
            let answers = [
                (tongue.tr("Hide"), Answer::Cancel, "calm"),
                (tongue.tr("Devices"), Answer::Devices, "calm"),
            ];
            buttons(place, &answers, act);
        }
        Card::Devices(inventory) => {
            heading(place, tongue.tr("Devices"), "");
            place.append(&devices::list(tongue, inventory.as_deref()));
            buttons(place, &[(tongue.tr("Hide"), Answer::Cancel, "calm")], act);
        }
        Card::Faults => {
            heading(place, tongue.tr("Faults"), "");
            place.append(&list(tongue, past));
            buttons(place, &[(tongue.tr("Hide"), Answer::Cancel, "calm")], act);
        }
    }
}

fn clear(place: &gtk::Box) {
    while let Some(child) = place.first_child() {
        place.remove(&child);
    }
}

fn heading(place: &gtk::Box, title: &str, body: &str) {
    set_name(place, title);
    let label = gtk::Label::builder().label(title).build();
    label.add_css_class("card-title");
    place.append(&label);
    if !body.is_empty() {
        let label = gtk::Label::builder()
            .label(body)
            .wrap(true)
            .justify(gtk::Justification::Center)
            .max_width_chars(64)
            .build();
        label.add_css_class("card-body");
        place.append(&label);
    }
}

fn buttons(place: &gtk::Box, answers: &[(&str, Answer, &str)], act: &Act) {
    let line = gtk::Box::builder()
        .halign(gtk::Align::Center)
        .homogeneous(true)
        .build();
    line.add_css_class("answers");
    for (text, answer, class) in answers {
        let button = gtk::Button::with_label(text);
        button.add_css_class(class);
        set_name(&button, text);
        let (act, answer) = (act.clone(), answer.clone());
        button.connect_clicked(move |_| act.call(Action::Answer(answer.clone())));
        line.append(&button);
    }
    place.append(&line);
    // The calm answer comes first: whoever works by keys, or by a screen reader, is there at once.
    if let Some(first) = line.first_child() {
        first.grab_focus();
    }
}

fn keys(tongue: Tongue) -> gtk::Grid {
    let rows = [
        ("F1 … F12", tongue.tr("prepare a layout")),
        (
            tongue.tr("Shift + F1 … F12"),
            tongue.tr("take a layout at once"),
        ),
        (tongue.tr("Enter"), tongue.tr("take the preview, as chosen")),
        (tongue.tr("Space"), tongue.tr("mix to the preview")),
        ("G", tongue.tr("morph to the preview")),
        (tongue.tr("Escape"), tongue.tr("slate on, slate off")),
        ("R", tongue.tr("select a role, then the next one")),
        ("1 … 9", tongue.tr("this source plays the selected role")),
        ("L", tongue.tr("list of faults")),
        ("D", tongue.tr("capture cards and audio inputs")),
        ("H", tongue.tr("these keys")),
        (
            tongue.tr("Tab, Ctrl + Enter"),
            tongue.tr("go through the window, press what has the frame"),
        ),
    ];
    let grid = gtk::Grid::builder()
        .column_spacing(18)
        .row_spacing(6)
        .build();
    for (i, (key, what)) in rows.into_iter().enumerate() {
        let key = gtk::Label::builder().label(key).xalign(1.0).build();
        key.add_css_class("key");
        key.set_halign(gtk::Align::End);
        let what = gtk::Label::builder().label(what).xalign(0.0).build();
        grid.attach(&key, 0, i as i32, 1, 1);
        grid.attach(&what, 1, i as i32, 1, 1);
    }
    grid
}

/// Lines of text below each other, each with a class of the style sheet or none.
pub fn lines(
    texts: impl IntoIterator<Item = (String, Option<&'static str>)>,
) -> gtk::ScrolledWindow {
    let lines = gtk::Box::new(gtk::Orientation::Vertical, 0);
    lines.add_css_class("fault-list");
    for (text, class) in texts {
        let label = gtk::Label::builder()
            .label(&text)
            .xalign(0.0)
            .wrap(true)
            .width_chars(80)
            .max_width_chars(80)
            .build();
        if let Some(class) = class {
            label.add_css_class(class);
        }
        lines.append(&label);
    }
    gtk::ScrolledWindow::builder()
        .hscrollbar_policy(gtk::PolicyType::Never)
        .propagate_natural_width(true)
        .min_content_height(280)
        .child(&lines)
        .build()
}

fn list(tongue: Tongue, past: &[Past]) -> gtk::ScrolledWindow {
    let none = (past.is_empty()).then(|| (tongue.tr("No fault.").to_owned(), None));
    let all = past.iter().map(|fault| {
        let state = if fault.over {
            tongue.tr("over")
        } else {
            tongue.tr("now")
        };
        let text = format!("{}  {state}  {}", fault.time, fault.text);
        let class = match (fault.over, fault.severity) {
            (true, _) => "over",
            (false, Severity::Serious) => "serious",
            (false, _) => "trouble",
        };
        (text, Some(class))
    });
    lines(none.into_iter().chain(all))
}
