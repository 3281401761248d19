// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import Workloads

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// Pages are read by an XML parser, which takes nothing that is not well formed.
struct FleetPlotTests {
    private static func isWellFormed(_ text: String) -> Bool {
        let body = text.replacingOccurrences(of: "<!DOCTYPE html>", with: "")
        return XMLParser(data: Data(body.utf8)).parse()
    }

    private static func page(_ drawings: [String]) -> String {
        var page = HTMLPage(title: "<a> & \"b\"", subtitle: "1 < 2")
        page.heading("Heads & tails")
        page.paragraph("a < b")
        page.table(
            .init(header: ["name", "<value>"], rows: [["x & y", "1"], ["\u{1}", "</td>"]]))
        for drawing in drawings { page.figure(drawing, "caption <b>") }
        return page.text
    }

    @Test func aPageIsWellFormedWhateverItsNames() {
        let grid = FleetPlots.Grid(
            rows: ["<replica>", "2"], columns: [(0, "&")], values: [[0, 1], [2, 3]],
            columnTitle: "<t>", unit: "\"u\"")
        let text = Self.page([
            FleetPlots.grid(grid), FleetPlots.bars([("<x>", 1), ("y", 0)], axis: "&"),
            FleetPlots.lines([.init("<l>", [1, 2, 0])], interval: 0.5, axis: "&"),
            FleetPlots.distributions([.init("&", [0.1, 0.2, 3])]),
        ])
        #expect(Self.isWellFormed(text))
        #expect(text.contains("Heads &amp; tails") && !text.contains("<replica>"))
        // Nothing is fetched and nothing runs; the names of XML's vocabularies are no addresses.
        let fetched = text.replacingOccurrences(
            of: "xmlns=\"http://www.w3.org/2000/svg\"", with: "")
        #expect(!fetched.contains("http") && !fetched.contains("<script"))
    }

    @Test func nothingToDrawIsDrawnToo() {
        let empty = FleetPlots.Grid(
            rows: [], columns: [], values: [], columnTitle: "", unit: "")
        let text = Self.page([
            FleetPlots.grid(empty), FleetPlots.bars([], axis: ""),
            FleetPlots.lines([], interval: 1, axis: ""),
            FleetPlots.lines([.init("none", [])], interval: 1, axis: ""),
            FleetPlots.distributions([]), FleetPlots.distributions([.init("zero", [0, 0])]),
        ])
        #expect(Self.isWellFormed(text))
    }
}
