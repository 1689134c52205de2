//! A screen in the building: plays a relay's programme full screen, for days, without a keyboard. A
//! process of its own, with GTK; whatever happens to it, nothing on air notices.
//!
//! | file | what it does |
//! |---|---|
//! | `show` | keeps what is known, and has everything done |
//! | `life` | when to knock, to connect, to give up; picture or slate |
//! | `session`, `picture` | one connection: from the network to decoded pictures |
//! | `gate`, `pace`, `develop` | pictures wait for their turn, and become what GTK draws |
//! | `sound` | the feed's sound, and what plays it |
//! | `decoders` | which decoder is tried |
//! | `address` | what is played, and what gets us in |
//! | `choice` | which room, where no address was given |
//! | `figures`, `stage` | what is measured; the speaker's clock |
//! | `window`, `glass`, `output`, `keys` | GTK |

mod address;
mod choice;
mod decoders;
mod develop;
mod figures;
mod gate;
mod glass;
mod keys;
mod life;
mod output;
mod pace;
mod picture;
mod session;
mod show;
mod sound;
mod stage;
mod window;

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use gtk::prelude::*;

use crate::cli::{ScreenArgs, Switch};

use address::{Address, AddressError};
use show::{Plan, Show};

/// Name of the decoder, by which its errors are known.
const DECODER: &str = "screen-decoder";

/// Why a screen cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// The address, or what belongs to it.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `--source` where the address is no relay's.
    #[error("--source needs a relay's address (rtsp://…), or none")]
    NoRelay,
    /// The file of `--authority`.
    #[error("the certificate {file} cannot be used: {cause}")]
    Authority {
        /// The file.
        file: String,
        /// GLib's reason.
        #[source]
        cause: glib::Error,
    },
    /// GStreamer.
    #[error("GStreamer cannot be initialised: {0}")]
    GStreamer(#[source] glib::Error),
}

/// Opens the window and returns when it is closed. `state`: where the room is remembered.
pub fn run(args: ScreenArgs, state: &Path) -> Result<ExitCode, ScreenError> {
    gst::init().map_err(ScreenError::GStreamer)?;
    crate::service::forward_gstreamer_log();
    sound::leave_out_what_is_heard_nowhere();
    let plan = plan(args, state)?;
    let app = gtk::Application::builder()
        .application_id("org.regie.Screen")
        // Two screens are two windows, each with its own life.
        .flags(gio::ApplicationFlags::NON_UNIQUE)
        .build();
    let open: Rc<RefCell<Option<Rc<Show>>>> = Rc::default();
    let shown = open.clone();
    app.connect_activate(move |app| match Show::open(app, plan.clone()) {
        Ok(show) => {
            shown.replace(Some(show));
        }
        Err(error) => {
            tracing::error!("the window cannot be opened: {error}");
            app.quit();
        }
    });
    // The arguments are clap's.
    let code = app.run_with_args::<&str>(&[]);
    let opened = open.take().is_some();
    Ok(match code == glib::ExitCode::SUCCESS && opened {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn plan(args: ScreenArgs, state: &Path) -> Result<Plan, ScreenError> {
    let file = args.password_file.as_deref();
    let address = args.url.as_deref().map(Address::parse).transpose()?;
    let address = address
        .map(|address| address.guarded(args.user.as_deref(), file))
        .transpose()?;
    let address = match (address, &args.source) {
        (Some(address), Some(_)) if !address.is_rtsp() => return Err(ScreenError::NoRelay),
        (Some(address), Some(source)) => Some(address.source(source)),
        (address, _) => address,
    };
    if let Some(file) = &args.authority {
        // Refused now, and not in the dark later on.
        gio::TlsFileDatabase::new(file).map_err(|cause| ScreenError::Authority {
            file: file.display().to_string(),
            cause,
        })?;
    }
    let end = glib::DateTime::now_local()
        .ok()
        .and_then(|now| stage::end(&now, args.until, args.span));
    Ok(Plan {
        address,
        user: args.user,
        password_file: args.password_file,
        source: args.source,
        name: args.name,
        transport: args.transport,
        authority: args.authority,
        sound: args.sound == Switch::On,
        output: args.output,
        kiosk: args.kiosk,
        stage: args.stage,
        end,
        memory: state.join("screen"),
    })
}
