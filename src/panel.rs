//! The operator's window: a client of the engine, which goes on without it. GTK's thread owns all
//! widgets; `link`, `wishes` and `pictures` are threads that talk to the engine, so that nobody
//! who watches or presses a button ever waits for it.
//!
//! | file | what it does |
//! |---|---|
//! | `operator` | keeps what is known; turns keys and wishes into commands |
//! | `truth` | what the window says, made of the engine's snapshot |
//! | `view` | the window and its widgets |
//! | `geometry`, `board`, `row` | where everything lies, whatever it says |
//! | `link`, `pictures`, `own_engine` | the way to the engine |
//! | all others | one widget each, with its template in `ui/` |

mod action;
mod alarm;
mod big_button;
mod board;
mod calibration;
mod card;
mod controls;
mod devices;
mod fault_bar;
mod field;
mod geometry;
mod header;
mod keys;
mod layout_button;
mod leash;
mod link;
mod meter;
mod miniature;
mod mix;
mod monitor;
mod operator;
mod output_chip;
mod own_engine;
mod paint;
mod past;
mod pictures;
mod pointer;
mod role_chip;
mod row;
mod screen;
mod seat;
mod show;
mod strip;
mod style;
mod template;
mod tile;
mod truth;
mod view;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use adw::prelude::*;

use operator::Operator;

/// What the window is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the engine is, or will be.
    pub socket: PathBuf,
    /// Full screen, and no way out.
    pub kiosk: bool,
    /// The engine to start where none answers.
    pub engine: Option<EnginePlan>,
}

/// An engine of the window's own.
#[derive(Debug, Clone)]
pub struct EnginePlan {
    /// Its venue file.
    pub config: PathBuf,
    /// Its state directory: its log is kept there.
    pub state: PathBuf,
}

/// Opens the window and returns when it is closed.
pub fn run(plan: Plan) -> ExitCode {
    // Converts pictures; builds no pipelines.
    if let Err(error) = gst::init() {
        tracing::error!("GStreamer cannot be initialised: {error}");
        return ExitCode::FAILURE;
    }
    let app = adw::Application::builder()
        .application_id("org.regie.Panel")
        // Two panels are two windows, each with its own life.
        .flags(gio::ApplicationFlags::NON_UNIQUE)
        .build();
    let open: Rc<RefCell<Option<Rc<Operator>>>> = Rc::default();
    app.connect_startup(|_| {
        adw::StyleManager::default().set_color_scheme(adw::ColorScheme::ForceDark);
    });
    app.connect_activate(move |app| match Operator::open(app, plan.clone()) {
        Ok(operator) => {
            open.replace(Some(operator));
        }
        Err(error) => {
            tracing::error!("the window cannot be opened: {error}");
            app.quit();
        }
    });
    // The arguments are clap's.
    match app.run_with_args::<&str>(&[]) {
        code if code == glib::ExitCode::SUCCESS => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
