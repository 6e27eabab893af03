//! What the tests that span crates stand on: the harness that records a workload and reads the capture back.
