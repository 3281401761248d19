// SPDX-License-Identifier: Apache-2.0

/// The plots of one report, or of several laid over each other, as one SVG document.
///
/// Distributions of the time to the first token and to the last, throughput and waiting requests
/// over time, and the time to the first token of each adapter.
package struct ReportPlots {
    private let curves: [ReportCurves]
    private let labels: [String]
    private let heading: String

    /// `reports` in the order of their colours.
    package init(_ reports: [BenchmarkReport]) {
        curves = reports.map(\.curves)
        labels = reports.map(\.label)
        let workload = reports.first?.workload ?? [:]
        let isShared = reports.allSatisfy { $0.workload == workload }
        heading =
            isShared
            ? ["rate", "arrivals", "popularity", "lengths", "requests"]
                .compactMap { name in workload[name].map { "\(name) \($0)" } }
                .joined(separator: ", ")
            : "workloads differ"
    }

    private static let width = 960.0
    private static let plot = (width: 390.0, height: 200.0)
    private static let columns = [64.0, 544.0]
    private static let rows = [96.0, 382.0, 668.0]
    /// More adapters than this are left out of the bars, those with the fewest requests first.
    static let barGroupLimit = 32

    /// The document.
    package var svg: String {
        var document = SVGDocument(width: Self.width, height: Self.rows[2] + 266)
        document.label(heading, at: (18, 26), style: "title")
        drawLegend(in: &document)
        drawDistribution(
            "Time to first token", \.timeToFirstToken, at: (Self.columns[0], Self.rows[0]),
            in: &document)
        drawDistribution(
            "End-to-end latency", \.endToEnd, at: (Self.columns[1], Self.rows[0]), in: &document)
        drawSeries(
            ("Throughput", "tokens/s"), \.outputTokensPerSecond,
            at: (Self.columns[0], Self.rows[1]), in: &document)
        drawSeries(
            ("Waiting for the first token", "requests"), \.waiting,
            at: (Self.columns[1], Self.rows[1]), in: &document)
        drawBars(in: &document)
        return document.text
    }

    private func drawLegend(in document: inout SVGDocument) {
        var x = 18.0
        for (series, label) in labels.enumerated() {
            let label = label.count > 40 ? String(label.prefix(39)) + "…" : label
            document.box(PlotBox(x: x, y: 41, width: 14, height: 10), series: series)
            document.label(label, at: (x + 20, 51))
            x += 44 + 7 * Double(label.count)
        }
    }

    private static func box(at place: (Double, Double)) -> PlotBox {
        PlotBox(x: place.0, y: place.1, width: plot.width, height: plot.height)
    }

    private func drawDistribution(
        _ title: String, _ quantiles: (ReportCurves) -> [Double], at place: (Double, Double),
        in document: inout SVGDocument
    ) {
        let values = curves.map(quantiles)
        let all = values.flatMap { $0 }
        let x = PlotScale.logarithmic(from: all.min() ?? 1e-3, to: all.max() ?? 1)
        let panel = PlotPanel(
            title: title, area: Self.box(at: place), y: .linear(to: 100), yTitle: "% of requests")
        panel.drawFrame(in: &document)
        panel.draw(x, title: "time, logarithmic", in: &document, text: Self.mark)
        for (series, quantiles) in values.enumerated() {
            // Each value is held until the next one, so the line goes up in steps.
            var points = quantiles.first.map { [panel.place($0, x, 0)] } ?? []
            for (index, value) in quantiles.enumerated() {
                points.append(
                    panel.place(value, x, 100 * Double(index + 1) / Double(quantiles.count)))
            }
            document.path(points, series: series)
        }
    }

    private func drawSeries(
        _ titles: (plot: String, axis: String), _ values: (ReportCurves) -> [Double],
        at place: (Double, Double), in document: inout SVGDocument
    ) {
        let end = curves.map { $0.interval * Double(values($0).count) }.max() ?? 1
        let x = PlotScale.linear(to: end)
        let panel = PlotPanel(
            title: titles.plot, area: Self.box(at: place),
            y: .linear(to: curves.flatMap(values).max() ?? 1), yTitle: titles.axis)
        panel.drawFrame(in: &document)
        panel.draw(x, title: "seconds since the start", in: &document, text: NumberText.tick)
        for (series, curve) in curves.enumerated() {
            let points = values(curve).enumerated().map { index, value in
                panel.place((Double(index) + 0.5) * curve.interval, x, value)
            }
            document.path(points, series: series)
        }
    }

    private static func mark(_ seconds: Double) -> String {
        switch seconds {
        case ..<0.9995e-3: "\(NumberText.tick(seconds * 1e6)) us"
        case ..<0.9995: "\(NumberText.tick(seconds * 1e3)) ms"
        default: "\(NumberText.tick(seconds)) s"
        }
    }
}

// MARK: - Bars

extension ReportPlots {
    /// The adapters of all reports with their statistics in each, most requests first.
    private var groups: [(name: String, bars: [Distribution?])] {
        var requests: [String: Int] = [:]
        for adapter in curves.flatMap(\.adapters) {
            requests[adapter.name, default: 0] += adapter.requests
        }
        let names = requests.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .prefix(Self.barGroupLimit).map(\.key)
        let byName = curves.map { curve in
            Dictionary(curve.adapters.map { ($0.name, $0) }) { first, _ in first }
        }
        return names.map { name in (name, byName.map { $0[name]?.timeToFirstToken }) }
    }

    private func drawBars(in document: inout SVGDocument) {
        let groups = groups
        let highest = groups.flatMap(\.bars).compactMap { $0?.p99 }.max() ?? 1
        let inMilliseconds = highest < 1
        let scale = inMilliseconds ? 1e3 : 1.0
        let panel = PlotPanel(
            title: "Time to first token of each adapter: p50 solid, p99 pale",
            area: PlotBox(
                x: Self.columns[0], y: Self.rows[2], width: Self.columns[1] + Self.plot.width - 64,
                height: Self.plot.height),
            y: .linear(to: highest * scale), yTitle: inMilliseconds ? "ms" : "seconds")
        panel.drawFrame(in: &document)
        let bottom = panel.area.y + panel.area.height
        let room = panel.area.width / Double(max(groups.count, 1))
        let width = min(room * 0.8 / Double(max(curves.count, 1)), 48)
        for (place, group) in groups.enumerated() {
            let middle = panel.area.x + (Double(place) + 0.5) * room
            for (series, bar) in group.bars.enumerated() {
                guard let bar else { continue }
                let x = middle + (Double(series) - Double(curves.count) / 2) * width
                for (value, isPale) in [(bar.p99, true), (bar.p50, false)] {
                    let top = panel.height(of: value * scale)
                    document.box(
                        PlotBox(x: x, y: top, width: max(width - 1, 0.5), height: bottom - top),
                        series: series, isPale: isPale,
                        title: "\(group.name) \(isPale ? "p99" : "p50"): \(NumberText.time(value))"
                    )
                }
            }
            let name = group.name.count > 14 ? String(group.name.prefix(13)) + "…" : group.name
            document.label(name, at: (middle + 4, bottom + 14), .end, turned: -35)
        }
    }
}
