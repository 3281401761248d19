// SPDX-License-Identifier: Apache-2.0

/// A page of tables and drawings in one file that needs nothing else: no script, no network.
package struct HTMLPage: Sendable {
    /// A table; the first column names its rows.
    package struct Table: Sendable {
        package var header: [String]
        package var rows: [[String]]

        package init(header: [String], rows: [[String]]) {
            self.header = header
            self.rows = rows
        }
    }

    private let title: String
    private let subtitle: String
    private var body = ""

    package init(title: String, subtitle: String) {
        self.title = title
        self.subtitle = subtitle
    }

    package mutating func heading(_ text: String) {
        body += "<h2>\(SVGDocument.escaped(text))</h2>\n"
    }

    package mutating func paragraph(_ text: String) {
        body += "<p>\(SVGDocument.escaped(text))</p>\n"
    }

    package mutating func table(_ table: Table) {
        func cells(_ row: [String], _ tag: String) -> String {
            row.map { "<\(tag)>\(SVGDocument.escaped($0))</\(tag)>" }.joined()
        }
        body +=
            "<div class=\"wide\"><table><thead><tr>\(cells(table.header, "th"))</tr></thead><tbody>\n"
        for row in table.rows { body += "<tr>\(cells(row, "td"))</tr>\n" }
        body += "</tbody></table></div>\n"
    }

    /// A drawing, as an SVG document, with what it shows.
    package mutating func figure(_ svg: String, _ caption: String) {
        body += "<figure>\(svg)<figcaption>\(SVGDocument.escaped(caption))</figcaption></figure>\n"
    }

    private static let style = """
        :root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--page:#fff}
        @media(prefers-color-scheme:dark){:root{--ink:#f0f6fc;--soft:#9198a1;--rule:#3d444d;\
        --page:#0d1117}}
        body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);\
        max-width:1000px;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin-top:2.2rem}
        .sub,figcaption{color:var(--soft)}figcaption{font-size:13px}figure{margin:1rem 0}
        figure svg{max-width:100%;height:auto;display:block}.wide{overflow-x:auto}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
        th,td{text-align:right;padding:.25rem .7rem;border-bottom:1px solid var(--rule)}
        th{color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left}
        @media print{body{margin:0;max-width:none}figure{break-inside:avoid}}
        """

    /// The file.
    package var text: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title>\(SVGDocument.escaped(title))</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <h1>\(SVGDocument.escaped(title))</h1>
        <p class="sub">\(SVGDocument.escaped(subtitle))</p>
        \(body)</body>
        </html>

        """
    }
}
