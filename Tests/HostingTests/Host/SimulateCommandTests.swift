// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// `burrow simulate` with a report, as people run it.
struct SimulateCommandTests {
    private static let manifest = ServedManifest(
        plugins: [
            "instances: [{name: mover, type: greedy-migration, parameters: {queueDelay: 10ms, "
                + "coolDown: 100ms}}]"
        ],
        pipeline: ["dispatch: static-dispatch", "migration: mover"])

    private static func arguments(
        _ path: String, requests: Int = 300, pages: Int = 400
    ) -> [String] {
        [
            "simulate", path, "--replicas", "3", "--adapters", "4", "--rate", "40", "--requests",
            "\(requests)", "--popularity", "identical", "--max-tokens", "64", "--lengths",
            "uniform:8-64/8-48", "--pages", "\(pages)", "--adapter-bytes", "100000",
            "--merged-copies",
            "0",
        ]
    }

    @Test func aReportHasAllItsSectionsAndIsTheSameForTheSameSeed() async throws {
        let folder = try TestFolder()
        let path = try folder.write("a<b>&c.yaml", Self.manifest.text)
        var pages: [String] = []
        for name in ["first.html", "second.html"] {
            let result = try await run(
                Built.burrow, Self.arguments(path) + ["--report", name, "--json"], in: folder)
            #expect(result.status == 0, "\(result.errors)")
            let report = try JSON(parsing: result.output)
            #expect(report["requests"]["completed"] == 300)
            let moved = report["migrations"]
            #expect((moved["recomputed"].number ?? 0) + (moved["waiting"].number ?? 0) > 0)
            pages.append(try String(contentsOfFile: "\(folder.path)/\(name)", encoding: .utf8))
        }
        #expect(pages[0] == pages[1])
        for heading in [
            "What was simulated", "Results", "Latency", "Waiting requests by replica", "Modes",
            "Migrations", "Placement", "Fairness",
        ] {
            #expect(pages[0].contains("<h2>\(heading)</h2>"), "\(heading)")
        }
        #expect(pages[0].contains("a&lt;b&gt;&amp;c.yaml") && !pages[0].contains("a<b>"))
        #expect(Self.isWellFormed(pages[0]))
    }

    @Test func aReportOfNothingServedIsAPageToo() async throws {
        let folder = try TestFolder()
        let path = try folder.write("m.yaml", Self.manifest.text)
        // In one page no request fits.
        let arguments = Self.arguments(path, requests: 3, pages: 1)
        let result = try await run(
            Built.burrow, arguments + ["--report", "r.html"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let page = try String(contentsOfFile: "\(folder.path)/r.html", encoding: .utf8)
        #expect(page.contains("No request was served"))
        #expect(Self.isWellFormed(page))
    }

    @Test func adaptersThatFitNowhereAreRefusedAtOnce() async throws {
        let folder = try TestFolder()
        let path = try folder.write("m.yaml", Self.manifest.text)
        let result = try await run(
            Built.burrow, Self.arguments(path) + ["--adapter-memory", "99999"], in: folder)
        #expect(result.status != 0)
        #expect(
            result.errors.contains("an adapter takes 100000 bytes and a replica has 99999"),
            "\(result.errors)")
    }

    private static func isWellFormed(_ text: String) -> Bool {
        let body = text.replacingOccurrences(of: "<!DOCTYPE html>", with: "")
        return XMLParser(data: Data(body.utf8)).parse()
    }
}
