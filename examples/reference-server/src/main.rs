//! The binary: reads the command line and the environment, and runs what they say.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use monetization_core::clock::Clock;
use monetization_core::plan_file::SCHEMA;
use reference_server::check::check;
#[cfg(feature = "stripe")]
use reference_server::cli::StripeCommand;
use reference_server::cli::{Cli, Command, DoctorArgs, ENVIRONMENT_PREFIX};
use reference_server::copy::copy;
use reference_server::demo::{self, Story};
use reference_server::doctor;
use reference_server::estimate::estimate;
use reference_server::publish::publish;
use reference_server::reconcile::reconcile;
use reference_server::replay;
use reference_server::report;
use reference_server::serve::serve;
#[cfg(feature = "stripe")]
use reference_server::settings::SetupWebhookSettings;
use reference_server::settings::{ProviderSettings, PublishSettings, Settings};
#[cfg(feature = "stripe")]
use reference_server::setup_webhook::setup_webhook;
use tokio::runtime::Runtime;

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
            let unknown = unknown_variables();
            if !unknown.is_empty() {
                let unknown = unknown.join(", ");
                return Err(
                    format!("these environment variables are no settings: {unknown}").into(),
                );
            }
            let settings = Settings::new(*args)?;
            runtime.block_on(serve(&settings, std::io::stdout()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(args) => {
            let mut story = Story::new(std::io::stdout(), demo::is_coloured());
            runtime.block_on(demo::run(&args, &mut story))?;
            Ok(exit_code(story.is_good()))
        }
        Command::Check(args) => {
            let holds = runtime.block_on(check(args, std::io::stdout()))?;
            Ok(exit_code(holds))
        }
        Command::Estimate(args) => {
            estimate(&args, std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            write!(std::io::stdout(), "{SCHEMA}")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Publish(args) => {
            let settings = PublishSettings::new(args)?;
            let succeeded = runtime.block_on(publish(&settings, std::io::stdout()))?;
            Ok(exit_code(succeeded))
        }
        Command::Reconcile(args) => {
            let settings = ProviderSettings::new(args.of)?;
            let agrees = runtime.block_on(reconcile(&settings, std::io::stdout()))?;
            Ok(exit_code(agrees))
        }
        Command::Copy(args) => {
            runtime.block_on(copy(args, std::io::stdout()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(args) => {
            let succeeded = replay::command(&args, std::io::stdout())?;
            Ok(exit_code(succeeded))
        }
        #[cfg(feature = "stripe")]
        Command::Stripe(StripeCommand::SetupWebhook(args)) => {
            let settings = SetupWebhookSettings::new(args)?;
            runtime.block_on(setup_webhook(&settings, std::io::stdout()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(args) => examine(*args, &runtime),
    }
}

/// Looks at everything that a server needs, and says how it is.
fn examine(args: DoctorArgs, runtime: &Runtime) -> Result<ExitCode, Box<dyn Error>> {
    let unknown = unknown_variables();
    let clock = Clock::system();
    let diagnosis = runtime.block_on(doctor::examine(args.serve, &unknown, &clock));
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{}", diagnosis.document())?;
    } else {
        diagnosis.tell(out)?;
    }
    Ok(exit_code(diagnosis.is_healthy()))
}

fn exit_code(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Variables that look like settings and are none: mistakes, such as a misspelt name.
fn unknown_variables() -> Vec<String> {
    use clap::CommandFactory;
    let command = Cli::command();
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_env)
        .collect();
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| !known.contains(&name.as_os_str()))
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(ENVIRONMENT_PREFIX))
        .collect()
}

#[expect(clippy::print_stderr, reason = "the last word of the process")]
fn tell(error: &(dyn Error + 'static)) {
    eprintln!("error: {}", report::chain(error));
}
