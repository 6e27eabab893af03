//! `verify` and `recover`: what is said of damaged captures, and what is saved of them.

use super::desk::Desk;

#[test]
fn verify_has_three_verdicts_and_an_exit_code_for_each() {
    let desk = Desk::new();
    assert!(
        desk.run(&["verify", "whole.aft"])
            .ends(0)
            .out
            .contains("sealed and intact")
    );
    assert!(
        desk.run(&["verify", "torn.aft"])
            .ends(3)
            .out
            .contains("not sealed")
    );
    assert!(
        desk.run(&["verify", "broken.aft"])
            .ends(4)
            .out
            .contains("broken")
    );
    let digest = desk.run(&["verify", "--digest", "whole.aft"]).ends(0).out;
    desk.run(&["verify", "--expect", digest.trim(), "whole.aft"])
        .ends(0);
    desk.run(&["verify", "--expect", digest.trim(), "lossy.aft"])
        .ends(4);
    assert_eq!(
        desk.run(&["verify", "whole.aft", "broken.aft", "torn.aft"])
            .code,
        4
    );
}

#[test]
fn recover_saves_what_is_whole_and_never_overwrites() {
    let desk = Desk::new();
    let torn = std::fs::read(desk.path("torn.aft")).expect("a file");
    desk.run(&["recover", "torn.aft", "-o", "rescued.aft"])
        .ends(3);
    assert_eq!(desk.run(&["verify", "rescued.aft"]).ends(0).err, "");
    let numbers = |file: &str| {
        desk.run(&["read", file, "-p", "%evt.num %evt.type"])
            .ends(3)
            .out
    };
    assert_eq!(numbers("rescued.aft"), numbers("torn.aft"));
    desk.run(&["recover", "torn.aft", "-o", "rescued.aft"])
        .ends(1);
    assert_eq!(
        std::fs::read(desk.path("torn.aft")).ok(),
        Some(torn),
        "the damaged file is only read"
    );
}

#[test]
fn a_file_cut_before_anything_was_recorded_is_not_recovered_into_a_new_one() {
    let desk = Desk::new();
    let whole = std::fs::read(desk.path("whole.aft")).expect("a file");
    std::fs::write(desk.path("short.aft"), &whole[..2_000]).expect("a file");
    let answer = desk
        .run(&["recover", "short.aft", "-o", "rescued.aft"])
        .ends(1);
    assert!(answer.err.contains("schema is missing"), "{}", answer.err);
    assert!(!desk.path("rescued.aft").exists());
}

#[test]
fn one_bad_file_among_many_does_not_keep_the_others_from_their_turn() {
    let desk = Desk::new();
    for command in ["verify", "info"] {
        let answer = desk
            .run(&[command, "missing.aft", "whole.aft", "torn.aft"])
            .ends(1);
        assert!(answer.err.contains("missing.aft"), "{}", answer.err);
        assert!(
            answer.out.contains("whole.aft") && answer.out.contains("torn.aft"),
            "{}",
            answer.out
        );
    }
}
