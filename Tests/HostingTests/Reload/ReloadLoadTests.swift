// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A host that is changed again and again under load, by the command that measures it; no time is
/// asserted, as this is no release build and others run beside it.
struct ReloadLoadTests {
    @Test func nobodyIsLostAndNoAnswerChanges() async throws {
        let result = try await run(
            "/usr/bin/env",
            [
                "python3", "\(Built.samples)/Benchmarks/reload", "--burrow", Built.burrow,
                "--reloads", "40", "--streams", "8", "--budget", "5s",
                // Others take the processors, for which no generation is to be taken back.
                "--probation", "0s",
            ])
        #expect(result.status == 0, "\(result)")
        for row in [
            "| good ones in force | 36 of 36 |", "| broken ones refused and counted | 4 of 4, 4 |",
            "| refusals in the log | 4 |",
        ] {
            #expect(result.output.contains(row), "\(result.output)")
        }
        #expect(result.output.contains(", 0 |\n| requests that the host has finished"))
    }
}
