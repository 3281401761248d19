// SPDX-License-Identifier: Apache-2.0

import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Workloads

struct PlotTests {
    @Test(arguments: [
        (100.0, 100.0, 6), (97, 100, 6), (3, 3, 4), (0.0042, 0.005, 6), (1234, 1500, 4), (0, 1, 6),
        (-1, 1, 6), (.infinity, 1, 6),
    ])
    func aLinearAxisEndsAtARoundNumber(_ highest: Double, _ end: Double, _ ticks: Int) {
        let scale = PlotScale.linear(to: highest)
        #expect(scale.low == 0 && near(scale.high, end) && scale.ticks.count == ticks)
        #expect(scale.place(0) == 0 && scale.place(scale.high) == 1)
    }

    @Test func anAxisHasItsValuesInside() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<500 {
            let low = Double(1 + random.below(1_000_000)) * 1e-6
            let high = low * Double(1 + random.below(10_000))
            let scale = PlotScale.logarithmic(from: low, to: high)
            #expect(scale.low <= low * 1.00001 && scale.high >= high * 0.99999)
            #expect(!scale.ticks.isEmpty && scale.ticks.count <= 8, "\(low) to \(high)")
            #expect(scale.place(low) <= scale.place(high))
            #expect(scale.ticks.allSatisfy { (0...1).contains(scale.place($0)) })
            let linear = PlotScale.linear(to: high)
            #expect(linear.high >= high * 0.9999 && (2...7).contains(linear.ticks.count))
        }
    }

    @Test(arguments: [
        (0.0, "0"), (0.00085, "850 us"), (0.0123, "12.3 ms"), (1.25, "1.25 s"), (250, "250 s"),
        (0.9996, "1.00 s"),
    ])
    func timesHaveAUnitThatSuitsThem(_ seconds: Double, _ text: String) {
        #expect(NumberText.time(seconds) == text)
    }

    private final class Elements: NSObject, XMLParserDelegate {
        var counts: [String: Int] = [:]
        var text = ""
        var numbers: [String] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            counts[name, default: 0] += 1
            numbers += ["x", "y", "x1", "y1", "x2", "y2", "height"].compactMap { attributes[$0] }
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
    }

    private func elements(of reports: [BenchmarkReport]) throws -> Elements {
        let elements = Elements()
        let parser = XMLParser(data: Data(ReportPlots(reports).svg.utf8))
        parser.delegate = elements
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        for number in elements.numbers where !number.hasSuffix("%") {
            let value = try #require(Double(number), "'\(number)' is no number")
            #expect(value >= 0 && value < 2000)
        }
        return elements
    }

    private func report(_ label: String, _ outcomes: [RequestOutcome]) -> BenchmarkReport {
        let origin = BenchmarkReport.Origin(
            processor: "p", processors: 2, system: "s", version: "1", commit: nil)
        return BenchmarkReport(
            label: label, origin: origin, workload: [:], runs: [(1, outcomes)],
            names: ModelNames(base: "b", adapters: ["<&\"\u{1}>", "two"]), level: nil)
    }

    @Test func theDocumentIsXMLWhateverNamesHold() throws {
        let one = report(
            "a < b & c",
            [.at(0, first: 3, last: 9, tokens: 4), .at(1, first: 5, last: 8, adapter: 1)])
        let two = report("other", [.at(0, first: 30, last: 90, tokens: 4)])
        let elements = try elements(of: [one, two])
        #expect(elements.counts["path"] == 8, "two runs in four plots")
        #expect(elements.counts["title"] == 2 + 6, "legend, and two bars for each adapter and run")
        for words in [
            "a < b & c", "% of requests", "tokens/s", "seconds since the start",
            "time, logarithmic",
        ] {
            #expect(elements.text.contains(words), "\(words)")
        }
    }

    @Test func whatHasNothingToShowIsADocumentToo() throws {
        let empty = report("empty", [])
        #expect(try elements(of: [empty]).counts["svg"] == 1)
        let failed = report("failed", [.at(0, first: nil, last: nil)])
        #expect(try elements(of: [failed, empty]).counts["svg"] == 1)
        #expect(try elements(of: []).counts["svg"] == 1)
    }
}
