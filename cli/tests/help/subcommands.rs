//! The subcommands, as the command's own help lists them: a new one cannot be forgotten here.

use std::process::Command;

/// Every subcommand, and the empty text for the command itself.
pub fn subcommands() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_afterimage"))
        .arg("--help")
        .env_remove("COLUMNS")
        .output()
        .expect("the command runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, list) = text.split_once("\nCommands:\n").expect("a list");
    let names = list.lines().take_while(|line| !line.is_empty());
    // A sentence that goes on stands further in.
    let names = names.filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    let names = names.filter_map(|line| line.split(' ').next());
    let names = names.filter(|name| *name != "help").map(str::to_owned);
    std::iter::once(String::new()).chain(names).collect()
}
