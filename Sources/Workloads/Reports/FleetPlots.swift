// SPDX-License-Identifier: Apache-2.0

/// Drawings of a fleet over time, each an SVG document.
package enum FleetPlots {
    /// A line with its name.
    package struct Series: Sendable {
        package var name: String
        package var values: [Double]

        package init(_ name: String, _ values: [Double]) {
            self.name = name
            self.values = values
        }
    }

    private static let width = 940.0
    private static let left = 70.0
    private static let plotWidth = 840.0

    /// The share of requests that took at most so long, by quantiles as `LatencyHistogram` gives
    /// them; in seconds, on a logarithmic axis.
    package static func distributions(_ series: [Series]) -> String {
        let all = series.flatMap(\.values).filter { $0 > 0 }
        let x = PlotScale.logarithmic(from: all.min() ?? 1e-3, to: all.max() ?? 1)
        var document = SVGDocument(width: width, height: 330)
        let panel = PlotPanel(
            title: "", area: PlotBox(x: left, y: 40, width: plotWidth, height: 230),
            y: .linear(to: 100), yTitle: "% of requests")
        panel.drawFrame(in: &document)
        panel.draw(x, title: "seconds, logarithmic", in: &document, text: NumberText.tick)
        drawLegend(series.map(\.name), in: &document)
        for (index, line) in series.enumerated() {
            var points = line.values.first.map { [panel.place($0, x, 0)] } ?? []
            for (place, value) in line.values.enumerated() {
                points.append(
                    panel.place(value, x, 100 * Double(place + 1) / Double(line.values.count)))
            }
            document.path(points, series: index)
        }
        return document.text
    }

    /// Lines over time; a value holds for `interval` seconds, the first from 0 on.
    package static func lines(
        _ series: [Series], interval: Double, axis: String
    ) -> String {
        let count = series.map(\.values.count).max() ?? 0
        let x = PlotScale.linear(to: Double(max(count, 1)) * interval)
        var document = SVGDocument(width: width, height: 330)
        let panel = PlotPanel(
            title: "", area: PlotBox(x: left, y: 40, width: plotWidth, height: 230),
            y: .linear(to: series.flatMap(\.values).max() ?? 1), yTitle: axis)
        panel.drawFrame(in: &document)
        panel.draw(x, title: "seconds since the start", in: &document, text: NumberText.tick)
        drawLegend(series.map(\.name), in: &document)
        for (index, line) in series.enumerated() {
            document.path(
                line.values.enumerated().map { place, value in
                    panel.place((Double(place) + 0.5) * interval, x, value)
                }, series: index)
        }
        return document.text
    }

    /// Bars, as they come; the values are not negative.
    package static func bars(_ values: [(name: String, value: Double)], axis: String) -> String {
        var document = SVGDocument(width: width, height: 330)
        let panel = PlotPanel(
            title: "", area: PlotBox(x: left, y: 20, width: plotWidth, height: 230),
            y: .linear(to: values.map(\.value).max() ?? 1), yTitle: axis)
        panel.drawFrame(in: &document)
        let room = plotWidth / Double(max(values.count, 1))
        let bottom = panel.area.y + panel.area.height
        // Names that would run into each other are left out, evenly.
        let step = max(1, Int((14 / room).rounded(.up)))
        for (index, bar) in values.enumerated() {
            let top = panel.height(of: bar.value)
            let x = panel.area.x + Double(index) * room
            document.box(
                PlotBox(x: x, y: top, width: max(room - 1, 0.4), height: max(bottom - top, 0)),
                series: 0, title: "\(bar.name): \(NumberText.short(bar.value))")
            guard index % step == 0 else { continue }
            document.label(
                String(bar.name.prefix(12)), at: (x: x + room / 2 + 4, y: bottom + 13), .end,
                turned: -45)
        }
        return document.text
    }

    /// Values as darkness in a grid, with its rows named at the left and the largest value written out.
    package struct Grid: Sendable {
        package var rows: [String]
        /// The names of some columns, by their index.
        package var columns: [(index: Int, name: String)]
        /// `[rows][columns]`, not negative.
        package var values: [[Double]]
        package var columnTitle: String
        package var unit: String

        package init(
            rows: [String], columns: [(index: Int, name: String)], values: [[Double]],
            columnTitle: String, unit: String
        ) {
            self.rows = rows
            self.columns = columns
            self.values = values
            self.columnTitle = columnTitle
            self.unit = unit
        }
    }

    package static func grid(_ grid: Grid) -> String {
        let columns = max(grid.values.map(\.count).max() ?? 0, 1)
        let height = min(16, max(6, 420 / Double(max(grid.rows.count, 1))))
        let cell = plotWidth / Double(columns)
        let bottom = 30 + Double(grid.rows.count) * height
        let highest = max(grid.values.flatMap { $0 }.max() ?? 0, 1e-12)
        var document = SVGDocument(width: width, height: bottom + 50)
        document.label(
            "darkest: \(NumberText.short(highest)) \(grid.unit)", at: (x: left, y: 18))
        let named = max(1, Int((11 / height).rounded(.up)))
        for (row, name) in grid.rows.enumerated() {
            let y = 30 + Double(row) * height
            if row % named == 0 {
                document.label(name, at: (x: left - 6, y: y + height / 2 + 4), .end)
            }
            for (column, value) in grid.values[row].enumerated() where value > 0 {
                document.cell(
                    PlotBox(
                        x: left + Double(column) * cell, y: y, width: cell, height: height - 0.5),
                    value: max(value / highest, 0.02),
                    title: "\(name): \(NumberText.short(value)) \(grid.unit)")
            }
        }
        document.line(from: (left, bottom), to: (left + plotWidth, bottom), "axis")
        document.line(from: (left, 30), to: (left, bottom), "axis")
        for column in grid.columns {
            let x = left + (Double(column.index) + 0.5) * cell
            document.label(column.name, at: (x: x, y: bottom + 16), .middle)
        }
        document.label(
            grid.columnTitle, at: (x: left + plotWidth / 2, y: bottom + 36), .middle)
        return document.text
    }

    private static func drawLegend(_ names: [String], in document: inout SVGDocument) {
        var x = left
        for (series, name) in names.enumerated() {
            document.box(PlotBox(x: x, y: 12, width: 14, height: 10), series: series)
            document.label(name, at: (x + 20, 21))
            x += 44 + 7 * Double(name.count)
        }
    }
}
