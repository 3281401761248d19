// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing
import Workloads

struct SpecificationTextTests {
    @Test(arguments: [
        ("poisson", ArrivalProcess.poisson), ("gamma:2.0", .gamma(cv: 2)),
        ("constant", .constant),
    ])
    func arrivalsAreReadAndWritten(_ text: String, _ process: ArrivalProcess) throws {
        #expect(try ArrivalProcess(parsing: text) == process)
        #expect(process.description == text)
    }

    @Test(arguments: [
        ("identical", Popularity.identical), ("distinct", .distinct), ("uniform", .uniform),
        ("zipf:1.5", .zipf(1.5)), ("stride:8", .skewed(stride: 8)),
    ])
    func popularitiesAreReadAndWritten(_ text: String, _ popularity: Popularity) throws {
        #expect(try Popularity(parsing: text) == popularity)
        #expect(popularity.description == text)
    }

    static let lengths: [(String, RequestLengths)] = [
        ("32/64", .independent(prompt: .constant(32), output: .constant(64))),
        (
            "uniform:8-64/uniform:16-128",
            .independent(prompt: .uniform(8...64), output: .uniform(16...128))
        ),
        (
            "lognormal:128.0,1.0/lognormal:64.0,0.8",
            .independent(
                prompt: .logNormal(mean: 128, cv: 1), output: .logNormal(mean: 64, cv: 0.8))
        ),
        (
            "uniform:8-64/constant:7",
            .independent(prompt: .uniform(8...64), output: .constant(7))
        ),
        (
            "32/uniform:1-9",
            .independent(prompt: .constant(32), output: .uniform(1...9))
        ),
    ]

    @Test(arguments: lengths)
    func lengthsAreReadAndWritten(_ text: String, _ lengths: RequestLengths) throws {
        #expect(try RequestLengths(parsing: text) == lengths)
        #expect(lengths.description == text)
    }

    @Test func aNameStandsForBothLengths() throws {
        #expect(
            try RequestLengths(parsing: "uniform:8-64/16-128")
                == RequestLengths(parsing: "uniform:8-64/uniform:16-128"))
        #expect(
            try RequestLengths(parsing: "lognormal:128,1.0/64,0.8")
                == RequestLengths(parsing: "lognormal:128,1.0/lognormal:64,0.8"))
    }

    @Test(arguments: [
        ("gamma", "arrivals 'gamma': expected poisson, gamma:CV, constant"),
        (
            "gamma:-1",
            "arrivals 'gamma:-1': the coefficient of variation '-1' is no number from 0.01 to 100.0"
        ),
        ("poisson:3", "arrivals 'poisson:3': expected poisson, gamma:CV, constant"),
        ("", "arrivals '': expected poisson, gamma:CV, constant"),
    ])
    func faultyArrivalsAreExplained(_ text: String, _ message: String) {
        #expect(throws: WorkloadError(message)) { try ArrivalProcess(parsing: text) }
    }

    @Test(arguments: [
        "zipf", "zipf:x", "zipf:nan", "stride:0", "stride:1.5", "stride", "uniform:1", "zopf:1",
        "stride:3:/no/such/file",
    ])
    func faultyPopularitiesAreRefused(_ text: String) {
        #expect(throws: WorkloadError.self) { try Popularity(parsing: text) }
    }

    @Test(arguments: [
        "32", "0/1", "32/", "/", "9-2/1", "uniform:9-2/1-2", "uniform:1-2-3/1-2", "lognormal:1/1",
        "lognormal:0,1/1,1", "lognormal:1,inf/1,1", "trace:", "trace:/no/such/file",
        "trace:/dev/null*x", "32/64/8", "99999999999999999999/1", "sometimes:1/2",
    ])
    func faultyLengthsAreRefused(_ text: String) {
        #expect(throws: WorkloadError.self) { try RequestLengths(parsing: text) }
    }

    @Test func nothingThatIsWrittenTraps() {
        FuzzRun(seconds: 0.2, seed: 1).forEachRound { random, _ in
            let letters = Array("uniform:zpgac-/,*.0123456789e+stride")
            let text = String((0..<random.below(24)).map { _ in letters[random.below(36)] })
            _ = try? ArrivalProcess(parsing: text)
            _ = try? Popularity(parsing: text)
            _ = try? RequestLengths(parsing: text)
        }
    }
}
