// SPDX-License-Identifier: Apache-2.0

/// The frame of one plot: title, axes with their units and marks.
struct PlotPanel {
    let title: String
    /// The area that the values are drawn in.
    let area: PlotBox
    let y: PlotScale
    let yTitle: String

    func place(_ x: Double, _ scale: PlotScale, _ value: Double) -> (x: Double, y: Double) {
        (area.x + scale.place(x) * area.width, height(of: value))
    }

    func height(of value: Double) -> Double {
        area.y + area.height * (1 - y.place(value))
    }

    /// Title, vertical axis and the rules at its marks.
    func drawFrame(in document: inout SVGDocument) {
        document.label(title, at: (area.x - 46, area.y - 14), style: "title")
        for tick in y.ticks {
            let at = height(of: tick)
            document.line(from: (area.x, at), to: (area.x + area.width, at), "rule")
            document.label(NumberText.tick(tick), at: (area.x - 6, at + 4), .end)
        }
        document.label(
            yTitle, at: (area.x - 50, area.y + area.height / 2), .middle, turned: -90)
        let bottom = area.y + area.height
        document.line(from: (area.x, area.y), to: (area.x, bottom), "axis")
        document.line(from: (area.x, bottom), to: (area.x + area.width, bottom), "axis")
    }

    /// The marks of the horizontal axis.
    func draw(
        _ x: PlotScale, title: String, in document: inout SVGDocument,
        text: (Double) -> String
    ) {
        let bottom = area.y + area.height
        for tick in x.ticks {
            let at = area.x + x.place(tick) * area.width
            document.line(from: (at, bottom), to: (at, bottom + 4), "axis")
            document.label(text(tick), at: (at, bottom + 17), .middle)
        }
        document.label(title, at: (area.x + area.width / 2, bottom + 34), .middle)
    }
}
