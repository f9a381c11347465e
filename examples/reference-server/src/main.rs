//! The binary: reads the command line and the environment, and runs what they say.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use reference_server::cli::{Cli, Command, ENVIRONMENT_PREFIX};
use reference_server::demo::{self, Story};
use reference_server::report;
use reference_server::serve::serve;
use reference_server::settings::Settings;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            tell(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match cli.command.unwrap_or(Command::Serve(Box::new(cli.serve))) {
        Command::Serve(args) => {
            check_environment()?;
            let settings = Settings::new(*args)?;
            runtime.block_on(serve(&settings, std::io::stdout()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(args) => {
            let mut story = Story::new(std::io::stdout(), demo::is_coloured());
            runtime.block_on(demo::run(&args, &mut story))?;
            Ok(if story.is_good() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

/// A variable that looks like a setting and is none is a mistake, such as a misspelt name.
fn check_environment() -> Result<(), Box<dyn Error>> {
    use clap::CommandFactory;
    let command = Cli::command();
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_env)
        .collect();
    let unknown: Vec<String> = std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| !known.contains(&name.as_os_str()))
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(ENVIRONMENT_PREFIX))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "these environment variables are no settings: {}",
        unknown.join(", ")
    )
    .into())
}

#[expect(clippy::print_stderr, reason = "the last word of the process")]
fn tell(error: &(dyn Error + 'static)) {
    eprintln!("error: {}", report::chain(error));
}
