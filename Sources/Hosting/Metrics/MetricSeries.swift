// SPDX-License-Identifier: Apache-2.0

/// Marks what only goes up.
nonisolated package enum CounterKind: Sendable {}
/// Marks what goes up and down.
nonisolated package enum GaugeKind: Sendable {}
/// Marks a distribution over fixed buckets.
nonisolated package enum HistogramKind: Sendable {}

/// A declared family of one kind, in the registry that declared it.
nonisolated package struct MetricFamilyID<Kind>: Sendable, Hashable {
    let index: Int
}

/// One series of a family, resolved once so that each later event is an array access.
///
/// After the series was removed it is stale, and events on it do nothing.
nonisolated package struct MetricSeriesID<Kind>: Sendable, Hashable {
    let family: Int
    let series: Int
    let incarnation: UInt32
}

/// What a family is called and how its series differ.
nonisolated package struct MetricDescription: Sendable {
    /// As it is exposed; a counter's ends in `_total`.
    package let name: String
    package let help: String
    package let labels: [String]
    /// The label whose values come from outside, so that they may be without number.
    package let openLabel: String?
    /// The most series; beyond them the open label is `_other`.
    package let seriesLimit: Int

    package init(
        _ name: String, _ help: String, labels: [String], openLabel: String? = nil,
        seriesLimit: Int = 4096
    ) {
        self.name = name
        self.help = help
        self.labels = labels
        self.openLabel = openLabel
        self.seriesLimit = seriesLimit
    }
}

/// One family with its series.
nonisolated struct MetricFamily: Sendable {
    enum Kind: Sendable, Equatable {
        case counter
        case gauge
        /// Ascending upper bounds; the one at +∞ is not among them.
        case histogram(bounds: [Double])
    }

    struct Series: Sendable {
        var labelValues: [String]
        /// `name="value"` pairs with commas, escaped, as they are exposed.
        var labelText: String
        var incarnation: UInt32
        var isLive: Bool
    }

    let description: MetricDescription
    let kind: Kind
    private(set) var series: [Series] = []
    /// `stride` numbers for each series: the value, or the count of each bucket and then the sum.
    var cells: [Double] = []
    /// How often a series was refused or folded into `_other`.
    private(set) var overflowCount = 0
    private var positions: [[String]: Int] = [:]
    private var vacant: [Int] = []

    init(_ description: MetricDescription, _ kind: Kind) {
        precondition(
            MetricText.isName(description.name)
                && description.labels.allSatisfy { MetricText.isLabelName($0) },
            "\(description.name) \(description.labels) are not metric and label names")
        precondition(
            Set(description.labels).count == description.labels.count
                && description.openLabel.map(description.labels.contains) != false,
            "\(description.name) repeats a label or lacks its open one")
        if case .histogram(let bounds) = kind {
            precondition(
                zip(bounds, bounds.dropFirst()).allSatisfy(<) && bounds.allSatisfy(\.isFinite),
                "the bounds of \(description.name) must be finite and ascend")
        }
        self.description = description
        self.kind = kind
    }

    var stride: Int {
        if case .histogram(let bounds) = kind { bounds.count + 2 } else { 1 }
    }

    /// The position of the series with these values, made if it is not there.
    mutating func position(of values: [String]) -> Int {
        precondition(
            values.count == description.labels.count,
            "\(description.name) has \(description.labels.count) labels, not \(values.count)")
        if let position = positions[values] { return position }
        guard positions.count >= description.seriesLimit else { return add(values) }
        overflowCount += 1
        let folded = folded(values)
        return positions[folded] ?? add(folded)
    }

    /// Ends the series with these values; the place is used again under a new incarnation.
    mutating func remove(_ values: [String]) {
        guard let position = positions.removeValue(forKey: values) else { return }
        series[position].isLive = false
        series[position].incarnation &+= 1
        vacant.append(position)
    }

    /// `_other` in the open label; without one, in all of them.
    private func folded(_ values: [String]) -> [String] {
        let open = description.openLabel
        return zip(description.labels, values).map { label, value in
            open == nil || open == label ? MetricsRegistry.otherLabelValue : value
        }
    }

    private mutating func add(_ values: [String]) -> Int {
        let text = MetricText.labels(description.labels, values)
        let position: Int
        if let place = vacant.popLast() {
            position = place
            series[place].labelValues = values
            series[place].labelText = text
            series[place].isLive = true
            for cell in place * stride..<(place + 1) * stride { cells[cell] = 0 }
        } else {
            position = series.count
            series.append(
                Series(labelValues: values, labelText: text, incarnation: 0, isLive: true))
            cells.append(contentsOf: repeatElement(0, count: stride))
        }
        positions[values] = position
        return position
    }
}
