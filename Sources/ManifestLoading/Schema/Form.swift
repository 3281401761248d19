// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

/// How a value is written in the manifest: what may stand there, and how it is read.
struct Form<Value: Sendable>: Sendable {
    let schema: Schema
    /// Reads the value; where that fails it reports why and gives `nil`.
    let read: @Sendable (Place, inout Reading) -> Value?
    /// How a default is shown; `nil` for what has no short form.
    let express: @Sendable (Value) -> ParameterValue?

    init(
        schema: Schema, express: @escaping @Sendable (Value) -> ParameterValue? = { _ in nil },
        read: @escaping @Sendable (Place, inout Reading) -> Value?
    ) {
        self.schema = schema
        self.read = read
        self.express = express
    }

    /// The same text, read as another type.
    func map<Other>(
        _ transform: @escaping @Sendable (Value) -> Other,
        back: @escaping @Sendable (Other) -> Value? = { _ in nil }
    ) -> Form<Other> {
        Form<Other>(schema: schema, express: { back($0).flatMap(express) }) { place, reading in
            read(place, &reading).map(transform)
        }
    }
}

extension Place {
    /// Reads a scalar of `type`; paths become absolute.
    func value(of type: ParameterType, _ reading: inout Reading) -> ParameterValue? {
        guard let scalar = scalar(expecting: .scalar(type), &reading) else { return nil }
        do {
            let value = try scalar.value(of: type)
            guard case .path = type, case .string(let path) = value else { return value }
            return .string(reading.absolute(path))
        } catch {
            report(error, &reading)
            return nil
        }
    }
}

// MARK: - Scalars

extension Form where Value: ParameterRepresentable {
    /// A scalar that reads as parameters of policies do.
    static func scalar(_ type: ParameterType = Value.parameterType) -> Form {
        Form(schema: .scalar(type), express: \.parameterValue) { place, reading in
            place.value(of: type, &reading).flatMap { Value($0) }
        }
    }
}

extension Form where Value: ParameterChoice {
    /// One of the words of an enumeration; `refused` holds known words and why they cannot be used.
    static func choice(refused: [String: String] = [:]) -> Form {
        let form = Form.scalar()
        return Form(schema: form.schema, express: form.express) { place, reading in
            if case .scalar(let scalar) = place.node.content, let reason = refused[scalar.text] {
                place.report(ValueFault(reason), &reading)
                return nil
            }
            return form.read(place, &reading)
        }
    }
}

extension Form where Value == Int {
    static func integer(_ range: ClosedRange<Int64>) -> Form { .scalar(.integer(range)) }
}

extension Form where Value == Bool {
    static var boolean: Form { .scalar() }
}

extension Form where Value == UInt64 {
    static var seed: Form {
        Form<Int>.integer(0...Int64.max).map {
            UInt64($0)
        } back: {
            Int(exactly: $0)
        }
    }
}

extension Form where Value == Duration {
    static func duration(_ range: ClosedRange<Duration>) -> Form { .scalar(.duration(range)) }
}

extension Form where Value == ByteCount {
    static func size(_ range: ClosedRange<ByteCount>) -> Form { .scalar(.size(range)) }
}

extension Form where Value == String {
    /// A path, absolute or relative to the manifest; the value is absolute.
    static var path: Form { .scalar(.path) }

    static func constant(_ word: String) -> Form { .scalar(.choice([word])) }

    /// The name of something in the manifest, which metrics, logs and clients show.
    static var name: Form {
        let shape = TextShape(
            summary: "a name of letters, digits and . _ - : /, at most 128 characters long",
            pattern: "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")
        return Form(schema: .text(shape), express: ParameterValue.string) { place, reading in
            guard let scalar = place.scalar(expecting: .text(shape), &reading) else { return nil }
            guard scalar.text.isName else {
                let message = "expected \(shape.summary), found '\(scalar.text.excerpt)'"
                place.report(ValueFault(message), &reading)
                return nil
            }
            return scalar.text
        }
    }

    /// The type of a policy, or for a slot of the pipeline also the name of an instance. Whether it
    /// exists is checked when everything has been read.
    static func policy(_ kind: PolicyKind?) -> Form {
        let name = Form.name
        return Form(schema: .policy(kind), express: ParameterValue.string, read: name.read)
    }
}

extension String {
    fileprivate var isName: Bool {
        guard (1...128).contains(utf8.count), let first = utf8.first else { return false }
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return letters.utf8.contains(first)
            && utf8.allSatisfy { letters.utf8.contains($0) || "._:/-".utf8.contains($0) }
    }
}

extension Form where Value == ListenAddress {
    static var address: Form {
        let shape = TextShape(summary: "host:port", pattern: "^.+:[0-9]{1,5}$")
        return Form(schema: .text(shape), express: { .string("\($0)") }) { place, reading in
            guard let scalar = place.scalar(expecting: .text(shape), &reading) else { return nil }
            do throws(ValueFault) {
                return try ListenAddress(parsing: scalar.text)
            } catch {
                place.report(error, &reading)
                return nil
            }
        }
    }
}

extension Form where Value == Manifest.ThreadCount {
    static func threads(_ range: ClosedRange<Int64>) -> Form {
        let schema = Schema.either(.scalar(.choice(["auto"])), .scalar(.integer(range)))
        return Form(
            schema: schema,
            express: {
                if case .count(let count) = $0 { .integer(Int64(count)) } else { .string("auto") }
            }
        ) { place, reading in
            guard let scalar = place.scalar(expecting: schema, &reading) else { return nil }
            if scalar.text == "auto" { return .automatic }
            guard let first = scalar.text.first, first.isNumber || first == "-" else {
                let meant = nearestName(to: scalar.text, among: ["auto"])
                let message = "expected \(schema.summary), found '\(scalar.text.excerpt)'"
                place.report(ValueFault(message, suggestion: meant), &reading)
                return nil
            }
            let count = Form<Int>.integer(range)
            return count.read(place, &reading).map(Manifest.ThreadCount.count)
        }
    }
}

extension Form where Value == Manifest.AdminSocket {
    /// What the system takes as the path of a Unix socket.
    private static var longestPath: Int { 107 }

    static var adminSocket: Form {
        let schema = Schema.either(.scalar(.choice(["auto", "off"])), .scalar(.path))
        return Form(
            schema: schema,
            express: {
                switch $0 {
                case .automatic: .string("auto")
                case .off: .string("off")
                case .path(let path): .string(path)
                }
            }
        ) { place, reading in
            guard let scalar = place.scalar(expecting: schema, &reading) else { return nil }
            if scalar.text == "auto" { return .automatic }
            if scalar.text == "off" { return .off }
            guard let path = Form<String>.path.read(place, &reading) else { return nil }
            guard path.utf8.count <= longestPath else {
                let message =
                    "the path of a Unix socket has at most \(longestPath) bytes, this one has "
                    + "\(path.utf8.count)"
                place.report(ValueFault(message), &reading)
                return nil
            }
            return .path(path)
        }
    }
}

/// How the manifest writes the admin surface: its socket alone, or all of it.
enum AdminWriting: Sendable {
    case socket(Manifest.AdminSocket)
    case surface(Manifest.AdminSurface)
}

extension Form where Value == AdminWriting {
    static var adminSurface: Form {
        let socket = Form<Manifest.AdminSocket>.adminSocket
        let surface = Form<Manifest.AdminSurface>.section(.adminSurface)
        return Form(schema: .either(socket.schema, surface.schema)) { place, reading in
            if case .mapping = place.node.content {
                return surface.read(place, &reading).map(AdminWriting.surface)
            }
            return socket.read(place, &reading).map(AdminWriting.socket)
        }
    }
}

// MARK: - Lists

extension Form {
    /// A list; items that cannot be read are reported and left out.
    static func list<Item>(of item: Form<Item>) -> Form where Value == [Item] {
        Form(schema: .list(of: item.schema)) { place, reading in
            place.items(&reading)?.compactMap { item.read($0, &reading) }
        }
    }

    /// A list of leaves that keep their positions.
    static func list<Item: Equatable>(
        ofLocated item: Form<Item>
    ) -> Form where Value == [Located<Item>] {
        let located = Form<Located<Item>>(schema: item.schema) { place, reading in
            item.read(place, &reading).map { Located($0, at: place.node.position) }
        }
        return .list(of: located)
    }
}
