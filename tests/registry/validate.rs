//! `vai validate`: its exit code.

use std::process::ExitCode;
use vai::cli::validate::{ValidateArgs, run};

async fn exit_code(source: &str, json: bool) -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system-config.json");
    std::fs::write(&file, source).unwrap();
    let file = Some(file);
    run(&ValidateArgs { file, json }, None).await.unwrap()
}

#[tokio::test]
async fn a_good_registry_is_0_and_a_bad_one_2() {
    for json in [false, true] {
        let good = exit_code("{}", json).await;
        assert_eq!(format!("{good:?}"), format!("{:?}", ExitCode::SUCCESS));
        let bad = exit_code("{ \"services\": [] }", json).await;
        assert_eq!(format!("{bad:?}"), format!("{:?}", ExitCode::from(2)));
    }
}
