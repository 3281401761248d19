// SPDX-License-Identifier: Apache-2.0

/// Counters, gauges and histograms with labels, all of them plain numbers of one owner.
///
/// Families are declared at start; declaring one twice or with a bad name is a programmer error.
/// Series are resolved by their label values, and an event on a resolved one is an array access.
nonisolated package struct MetricsRegistry: Sendable {
    /// Stands for the label values that the limit of a family left out.
    package static let otherLabelValue = "_other"

    private(set) var families: [MetricFamily] = []

    package init() {}

    /// Declares a family that only goes up; its name ends in `_total`.
    package mutating func counter(_ description: MetricDescription) -> MetricFamilyID<CounterKind> {
        precondition(
            description.name.hasSuffix("_total"), "\(description.name) must end in _total")
        return declare(description, .counter)
    }

    /// Declares a family that goes up and down.
    package mutating func gauge(_ description: MetricDescription) -> MetricFamilyID<GaugeKind> {
        declare(description, .gauge)
    }

    /// Declares a distribution; `bounds` are the inclusive upper ends, ascending, without +∞.
    package mutating func histogram(
        _ description: MetricDescription, bounds: [Double]
    ) -> MetricFamilyID<HistogramKind> {
        precondition(
            !description.labels.contains("le"), "\(description.name) has its own label le")
        return declare(description, .histogram(bounds: bounds))
    }

    private mutating func declare<Kind>(
        _ description: MetricDescription, _ kind: MetricFamily.Kind
    ) -> MetricFamilyID<Kind> {
        precondition(
            !families.contains { $0.description.name == description.name },
            "\(description.name) is declared twice")
        families.append(MetricFamily(description, kind))
        return MetricFamilyID(index: families.count - 1)
    }

    /// Resolves a series by its label values, in the order of the family's labels.
    ///
    /// A new series begins at 0 and is exposed from then on.
    package mutating func series<Kind>(
        _ family: MetricFamilyID<Kind>, _ values: [String] = []
    ) -> MetricSeriesID<Kind> {
        let position = families[family.index].position(of: values)
        return MetricSeriesID(
            family: family.index, series: position,
            incarnation: families[family.index].series[position].incarnation)
    }

    /// Ends a series, so that it is exposed no longer.
    package mutating func remove<Kind>(_ family: MetricFamilyID<Kind>, _ values: [String]) {
        families[family.index].remove(values)
    }

    /// Ends every series, of whatever family, that has `value` in the label `label`.
    package mutating func removeAll(label: String, value: String) {
        for index in families.indices {
            guard let column = families[index].description.labels.firstIndex(of: label) else {
                continue
            }
            for series in families[index].series
            where series.isLive && series.labelValues[column] == value {
                families[index].remove(series.labelValues)
            }
        }
    }

    /// Ends every series of a family but the one with these values.
    package mutating func keepOnly(_ family: MetricFamilyID<GaugeKind>, _ values: [String]) {
        for series in families[family.index].series
        where series.isLive && series.labelValues != values {
            families[family.index].remove(series.labelValues)
        }
    }

    /// Adds to a counter; a negative amount or one that is not finite is left out.
    package mutating func increment(_ id: MetricSeriesID<CounterKind>, by amount: Double = 1) {
        guard amount >= 0, amount.isFinite, isLive(id) else { return }
        families[id.family].cells[id.series] += amount
    }

    /// Brings a counter to a total that is kept elsewhere; it never goes back.
    package mutating func raise(_ id: MetricSeriesID<CounterKind>, to total: Int) {
        raise(id, to: Double(total))
    }

    /// Brings a counter to a total that is kept elsewhere; it never goes back.
    package mutating func raise(_ id: MetricSeriesID<CounterKind>, to total: Double) {
        increment(id, by: total - (value(id) ?? 0))
    }

    package mutating func set(_ id: MetricSeriesID<GaugeKind>, to value: Double) {
        guard isLive(id) else { return }
        families[id.family].cells[id.series] = value
    }

    package mutating func add(_ amount: Double, to id: MetricSeriesID<GaugeKind>) {
        guard isLive(id) else { return }
        families[id.family].cells[id.series] += amount
    }

    /// Counts one observation; one that is not finite is left out.
    package mutating func observe(_ value: Double, in id: MetricSeriesID<HistogramKind>) {
        guard value.isFinite, isLive(id),
            case .histogram(let bounds) = families[id.family].kind
        else { return }
        let start = id.series * (bounds.count + 2)
        families[id.family].cells[start + Self.bucket(of: value, in: bounds)] += 1
        families[id.family].cells[start + bounds.count + 1] += value
    }

    /// The value of a counter or gauge; nil for a series that was removed.
    package func value<Kind>(_ id: MetricSeriesID<Kind>) -> Double? {
        guard isLive(id), families[id.family].stride == 1 else { return nil }
        return families[id.family].cells[id.series]
    }

    /// The number and the sum of a histogram's observations; nil for a series that was removed.
    package func total(_ id: MetricSeriesID<HistogramKind>) -> (count: Double, sum: Double)? {
        guard isLive(id) else { return nil }
        let family = families[id.family]
        let cells = family.cells[id.series * family.stride..<(id.series + 1) * family.stride]
        return (cells.dropLast().reduce(0, +), cells[cells.endIndex - 1])
    }

    private func isLive<Kind>(_ id: MetricSeriesID<Kind>) -> Bool {
        let series = families[id.family].series[id.series]
        return series.isLive && series.incarnation == id.incarnation
    }

    /// The first bound that is not below the value; past them all is +∞.
    private static func bucket(of value: Double, in bounds: [Double]) -> Int {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if bounds[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
