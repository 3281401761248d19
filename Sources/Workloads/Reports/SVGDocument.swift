// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Writes the few shapes of SVG that plots are made of.
///
/// Colours are classes, so that one document suits a light and a dark page.
struct SVGDocument {
    enum Anchor: String { case start, middle, end }

    private var body = ""
    let width: Double
    let height: Double

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    /// How many series have a colour of their own; further ones begin again.
    static let colourCount = 6

    private static let style = """
        svg{--page:#fff;--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;\
        --s0:#0969da;--s1:#bc4c00;--s2:#1a7f37;--s3:#8250df;--s4:#bf3989;--s5:#7a6000;\
        font:12px system-ui,sans-serif}
        @media(prefers-color-scheme:dark){svg{--page:#0d1117;--ink:#f0f6fc;--soft:#9198a1;\
        --rule:#3d444d;--s0:#58a6ff;--s1:#f0883e;--s2:#56d364;--s3:#bc8cff;--s4:#ff80c8;\
        --s5:#e3b341}}
        .page{fill:var(--page)}text{fill:var(--soft)}.title{fill:var(--ink);font-weight:600}
        .rule{stroke:var(--rule);fill:none}.axis{stroke:var(--soft);fill:none}
        .line{fill:none;stroke-width:1.8;stroke-linejoin:round}.pale{opacity:.35}
        """

    private static let colours = (0..<colourCount).map {
        ".line.c\($0){stroke:var(--s\($0))}.fill.c\($0){fill:var(--s\($0))}"
    }.joined()

    var text: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(number(width)) \(number(height))" \
        width="\(number(width))" height="\(number(height))" role="img">
        <style>\(Self.style)
        \(Self.colours)</style>
        <rect class="page" width="100%" height="100%"/>
        \(body)</svg>

        """
    }

    mutating func line(
        from start: (x: Double, y: Double), to end: (x: Double, y: Double), _ style: String
    ) {
        body += """
            <line class="\(style)" x1="\(number(start.x))" y1="\(number(start.y))" \
            x2="\(number(end.x))" y2="\(number(end.y))"/>

            """
    }

    /// A line through the points, in the colour of a series.
    mutating func path(_ points: [(x: Double, y: Double)], series: Int) {
        guard let first = points.first else { return }
        let steps = points.dropFirst().map { "L\(number($0.x)) \(number($0.y))" }.joined()
        body += """
            <path class="line c\(series % Self.colourCount)" \
            d="M\(number(first.x)) \(number(first.y))\(steps)"/>

            """
    }

    /// A filled box in the colour of a series; `title` shows under the pointer.
    mutating func box(_ box: PlotBox, series: Int, isPale: Bool = false, title: String = "") {
        body += """
            <rect class="fill c\(series % Self.colourCount)\(isPale ? " pale" : "")" \
            x="\(number(box.x))" y="\(number(box.y))" width="\(number(box.width))" \
            height="\(number(box.height))"><title>\(Self.escaped(title))</title></rect>

            """
    }

    /// A box in the first colour, as dark as `value` between 0 and 1 is large.
    mutating func cell(_ box: PlotBox, value: Double, title: String) {
        body += """
            <rect class="fill c0" fill-opacity="\(number(min(max(value, 0), 1)))" \
            x="\(number(box.x))" y="\(number(box.y))" width="\(number(box.width))" \
            height="\(number(box.height))"><title>\(Self.escaped(title))</title></rect>

            """
    }

    mutating func label(
        _ text: String, at place: (x: Double, y: Double), _ anchor: Anchor = .start,
        style: String = "", turned angle: Double = 0
    ) {
        let (x, y) = (number(place.x), number(place.y))
        let turn = angle == 0 ? "" : " transform=\"rotate(\(number(angle)) \(x) \(y))\""
        let kind = style.isEmpty ? "" : " class=\"\(style)\""
        body += """
            <text\(kind) x="\(x)" y="\(y)" text-anchor="\(anchor.rawValue)"\(turn)>\
            \(Self.escaped(text))</text>

            """
    }

    private func number(_ value: Double) -> String {
        NumberText.tick((value * 100).rounded() / 100)
    }

    /// Names come from servers: characters that XML gives a meaning to, or does not know, are
    /// replaced.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

/// A place in a document, in its units; `y` grows downwards.
struct PlotBox {
    var x: Double
    var y: Double
    var width: Double
    var height: Double
}
