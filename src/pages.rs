//! Man pages and shell completions, made of the command line's own types: `regie pages FOLDER`, which the
//! package is built with.

use std::fs::{File, create_dir_all};
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;

/// What belongs to no argument, in the page of `regie` itself: file, and what it is for.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/regie/venue.toml",
        "the room: sources, layouts, outputs; `regie check` explains it",
    ),
    (
        "/etc/regie/pipelines/NAME.launch",
        "takes the place of the pipeline fragment of that name",
    ),
    (
        "/etc/default/regie-screen",
        "what regie-screen.service shows",
    ),
    (
        "/run/regie/control.sock",
        "where the engine is told what to do; members of the group regie may",
    ),
    (
        "/var/lib/regie",
        "what the show was, for the next start; recordings",
    ),
];

/// Writes all of them below this folder: `man/*.1`, and in `completions` a file for each shell, named as
/// that shell looks for it.
///
/// # Errors
/// What the file system says.
pub fn write(folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    create_dir_all(&man)?;
    create_dir_all(&completions)?;
    let mut command = Cli::command();
    command.build();
    write_pages(&command, &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "regie", &completions)?;
    }
    Ok(())
}

/// One page a command, as `man regie-ctl-take` asks for it.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|each| !each.is_hide_set()) {
        write_pages(below, folder)?;
    }
    let version = concat!("regie ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).source(version).manual("regie");
    let mut file = File::create(folder.join(page.get_filename()))?;
    page.render(&mut file)?;
    if command.get_name() == "regie" {
        write_files(&mut file)?;
    }
    file.flush()
}

fn write_files(file: &mut File) -> io::Result<()> {
    let mut section = Roff::new();
    section.control("SH", ["FILES"]);
    for (name, purpose) in FILES {
        section.control("TP", []);
        section.text([bold(*name)]);
        section.text([roman(*purpose)]);
    }
    section.to_writer(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_its_words() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let page = read("man/regie.1");
        for text in ["regie\\-engine(1)", "/etc/regie/venue.toml", "\\-\\-kiosk"] {
            assert!(page.contains(text), "{text} is not in\n{page}");
        }
        let take = read("man/regie-ctl-take.1");
        assert!(take.contains("\\-\\-transition"), "{take}");
        for (name, word) in [
            ("regie.bash", "--transition"),
            ("_regie", "--transition"),
            ("regie.fish", "transition"),
        ] {
            assert!(
                read(&format!("completions/{name}")).contains(word),
                "{name}"
            );
        }
        // What people are not to see is not written about.
        assert!(!folder.path().join("man/regie-pages.1").exists());
        assert!(!page.contains("pages"), "{page}");
    }
}
