//! The line above a meter that says in words what must not be overlooked: clipping, silence.

use std::time::{Duration, Instant};

use crate::monitor::Levels;
use crate::tongue::Tongue;

use super::show::{set_class, set_text};

/// How long a clip stays written.
const CLIP: Duration = Duration::from_secs(3);
/// Sound that has been silent for so long is said to be so, in milliseconds.
const SILENT: u32 = 5000;

/// What a meter has to say.
#[derive(Debug, Default)]
pub struct Alarm {
    clips: Option<u64>,
    clipped: Option<Instant>,
}

impl Alarm {
    /// Writes it into `label`. `expected` says whether there should be sound at all.
    pub fn show(
        &mut self,
        label: &gtk::Label,
        tongue: Tongue,
        levels: Option<&Levels>,
        expected: bool,
    ) {
        let now = Instant::now();
        if let Some(levels) = levels {
            if self.clips.is_some_and(|before| levels.clips > before) {
                self.clipped = Some(now);
            }
            self.clips = Some(levels.clips);
        }
        let clips = (self.clipped).is_some_and(|at| now.duration_since(at) < CLIP);
        let silent = expected && levels.is_some_and(|levels| levels.silent_ms >= SILENT);
        let text = if clips {
            tongue.tr("Clip")
        } else if silent {
            tongue.tr("Silent")
        } else {
            ""
        };
        set_text(label, text);
        set_class(label, "clip", clips);
        set_class(label, "silent", silent && !clips);
    }
}
