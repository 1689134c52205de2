//! Arguments, log, and which role to play. No logic.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use regie::cli::{CheckArgs, Cli, EngineArgs, PagesArgs, PanelArgs, Role, ScreenArgs};
use regie::venue::{Venue, VenueError};
use regie::{ctl, devices, discovery, launch, pages, service};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Engine(args)) => run_engine(args),
        Some(Role::Check(args)) => check(args),
        Some(Role::Ctl(args)) => ctl::run(args, &mut std::io::stdout(), &mut std::io::stderr()),
        Some(Role::Panel(args)) => panel(args, None),
        Some(Role::Screen(args)) => screen(args),
        Some(Role::Devices(args)) => {
            devices::run(&args, &mut std::io::stdout(), &mut std::io::stderr())
        }
        Some(Role::Rooms(args)) => {
            discovery::run(&args, &mut std::io::stdout(), &mut std::io::stderr())
        }
        Some(Role::Pages(args)) => pages(&args),
        None => alone(cli.panel, cli.config),
    }
}

/// `regie` and no more: the window, and an engine where none answers.
#[cfg(feature = "panel")]
fn alone(args: PanelArgs, named: Option<PathBuf>) -> ExitCode {
    panel(args, Some(venue_to_show(named)))
}

#[cfg(not(feature = "panel"))]
fn alone(args: PanelArgs, _: Option<PathBuf>) -> ExitCode {
    panel(args, None)
}

/// The window; with an engine of its own, for this venue file, where none answers.
#[cfg(feature = "panel")]
fn panel(args: PanelArgs, config: Option<PathBuf>) -> ExitCode {
    service::start_log();
    // A venue that is refused is refused by the engine, and the window says so.
    let of_venue = || Venue::load(config.as_ref()?).ok()?.control_socket;
    let socket = args.socket.or_else(of_venue);
    regie::panel::run(regie::panel::Plan {
        socket: socket.unwrap_or_else(regie::control::find_socket),
        kiosk: args.kiosk,
        engine: config.map(|config| regie::panel::EnginePlan {
            config,
            state: state_directory(),
        }),
    })
}

/// The venue file that was named, the one that is there, or one to try regie with.
#[cfg(feature = "panel")]
fn venue_to_show(named: Option<PathBuf>) -> PathBuf {
    let is_named = named.is_some();
    let file = venue_file(named);
    if is_named || file.exists() {
        file
    } else {
        trial_venue().unwrap_or(file)
    }
}

/// A venue to try regie with, where there is none: the demo, written where state is kept.
#[cfg(feature = "panel")]
fn trial_venue() -> std::io::Result<PathBuf> {
    let file = state_directory().join("trial.toml");
    std::fs::create_dir_all(state_directory())?;
    let demo = include_str!("../tests/demo/venue.toml");
    match std::fs::File::create_new(&file) {
        Ok(mut fresh) => fresh.write_all(demo.as_bytes())?,
        // Whoever has changed it wants it so.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(file)
}

#[cfg(not(feature = "panel"))]
fn panel(_: PanelArgs, _: Option<PathBuf>) -> ExitCode {
    complain("this build has no panel; use `regie engine` and `regie ctl`");
    ExitCode::from(2)
}

/// A screen in the building.
#[cfg(feature = "panel")]
fn screen(args: ScreenArgs) -> ExitCode {
    draw_by_processor();
    service::start_log();
    service::keep_memory_together();
    match regie::screen::run(args, &state_directory()) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(2)
        }
    }
}

/// Where there is no GPU, GTK would have one imitated: four times the work of drawing by the processor.
/// GTK reads its wish from the environment, which a running process cannot change: begins again, as the
/// same process.
#[cfg(feature = "panel")]
fn draw_by_processor() {
    use std::os::unix::process::CommandExt;
    const RENDERER: &str = "GSK_RENDERER";
    let is_gpu =
        |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("renderD");
    let mut nodes = std::fs::read_dir("/dev/dri")
        .into_iter()
        .flatten()
        .flatten();
    if std::env::var_os(RENDERER).is_some() || nodes.any(is_gpu) {
        return;
    }
    let Ok(own) = std::env::current_exe() else {
        return;
    };
    let mut again = std::process::Command::new(own);
    again
        .args(std::env::args_os().skip(1))
        .env(RENDERER, "cairo");
    // It returns only where that failed: then GTK chooses.
    let error = again.exec();
    complain(&format!("GTK chooses how to draw: {error}"));
}

#[cfg(not(feature = "panel"))]
fn screen(_: ScreenArgs) -> ExitCode {
    complain("this build has no screen; play the relay with any RTSP player");
    ExitCode::from(2)
}

fn run_engine(args: EngineArgs) -> ExitCode {
    service::start_log();
    service::keep_memory_together();
    let file = venue_file(args.config);
    let ended = launch::engine(&file, args.socket, &state_directory());
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn check(args: CheckArgs) -> ExitCode {
    let path = venue_file(args.file.or(args.config));
    match Venue::load(&path) {
        Ok(venue) => {
            if args.json {
                print(
                    &serde_json::json!({ "ok": true, "file": path, "warnings": venue.warnings })
                        .to_string(),
                );
            } else {
                for warning in &venue.warnings {
                    print(&format!("warning: {warning}"));
                }
                print(&regie::venue::summary(&path, &venue));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            if args.json {
                let problems: Vec<String> = match &error {
                    VenueError::Refused { complaints, .. } => {
                        complaints.iter().map(ToString::to_string).collect()
                    }
                    other => vec![other.to_string()],
                };
                print(
                    &serde_json::json!({ "ok": false, "file": path, "problems": problems })
                        .to_string(),
                );
            } else {
                complain(&error.to_string());
            }
            ExitCode::FAILURE
        }
    }
}

fn pages(args: &PagesArgs) -> ExitCode {
    match pages::write(&args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{}: {error}", args.folder.display()));
            ExitCode::FAILURE
        }
    }
}

/// The venue file that was named, or the first that is there.
fn venue_file(named: Option<PathBuf>) -> PathBuf {
    let system = PathBuf::from("/etc/regie/venue.toml");
    let own = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .map(|folder| folder.join("regie/venue.toml"))
        .filter(|own| own.exists() && !system.exists());
    named.or(own).unwrap_or(system)
}

/// Where the show's state lies: systemd's directory, else the user's.
fn state_directory() -> PathBuf {
    let given = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
    let user = || std::env::var_os("XDG_STATE_HOME").map(|dir| PathBuf::from(dir).join("regie"));
    let home = || std::env::var_os("HOME").map(|dir| PathBuf::from(dir).join(".local/state/regie"));
    given
        .or_else(user)
        .or_else(home)
        .unwrap_or_else(|| PathBuf::from("/var/lib/regie"))
}

fn print(text: &str) {
    // Nothing is left to be told where stdout is closed.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", regie::secret::redact(text));
}
