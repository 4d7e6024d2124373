/**
 * `npm run smoke`: the packed tarball as a user gets it, in an empty folder.
 *
 * - it installs beside effect and @effect/platform-node, without a dependency of its own
 * - test/smoke/consumer/*.ts run on the oldest Node that we promise and on the Node of the scripts
 * - they type-check with TypeScript 7 (Node, and a bundler without Node types) and 5.9, our declarations included
 * - examples/testing, which a user copies, passes with it
 * - examples/ emit declarations against it, none of which "cannot be named" or leads into node_modules
 *
 * KEEP=1 keeps the folder.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { entriesOf, manifest, withTarball } from "./pack.ts"
import { bin, diagnosticsOf, filesUnder, read, root, run, seconds } from "./run.ts"
import { importsOf } from "./source.ts"

const oldestNode = "22.19.0"

const started = performance.now()
const own = manifest()
let failures = 0

const step = (name: string, body: () => string | undefined) => {
  const began = performance.now()
  const problem = body()
  console.log(`${problem === undefined ? "ok  " : "FAIL"} ${name} (${seconds(began)})`)
  if (problem !== undefined) {
    failures++
    console.log(problem.trimEnd().replace(/^/gm, "     "))
  }
  return problem === undefined
}

const unless = (fine: boolean, problem: string) => (fine ? undefined : problem)

const json = (file: string, value: unknown) => writeFileSync(file, JSON.stringify(value, null, 2))

/** Packages that the examples import, as the development dependencies pin them. */
const examplePackages = (): ReadonlyArray<string> => {
  const names = filesUnder("examples")
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => importsOf(read(file)))
    .map(({ specifier }) => /^(?:@[^/]+\/)?[^/.:@]+(?=\/|$)/.exec(specifier)?.[0] ?? "")
  return [...new Set(names)].filter((name) => name !== own.name && name in own.devDependencies)
}

const pinned = (name: string) => `${name}@${own.devDependencies[name]}`

process.exitCode = withTarball((tarball, folder) => {
  const consumer = join(folder, "consumer")
  cpSync(join(root, "test/smoke/consumer"), consumer, { recursive: true })
  json(join(consumer, "package.json"), { name: "consumer", private: true, type: "module" })

  const install = (cwd: string, ...packages: ReadonlyArray<string>) => {
    const ran = run(
      "npm",
      ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline", ...packages],
      { cwd }
    )
    return unless(ran.status === 0, ran.output)
  }
  // Vitest is a peer of @effect/vitest, which the examples' tests import: npm alone would take its newest release.
  const packages = new Set(["effect", "@effect/platform-node", "@types/node", "vitest", ...examplePackages()])
  if (!step(`install ${basename(tarball)}`, () => install(consumer, tarball, ...[...packages].map(pinned)))) return 1

  step("no dependency of its own", () => {
    const installed = JSON.parse(
      readFileSync(join(consumer, "node_modules", own.name, "package.json"), "utf8")
    ) as object
    return unless(
      !("dependencies" in installed) && !("optionalDependencies" in installed),
      "package.json lists dependencies"
    )
  })

  const programs = readdirSync(consumer).filter((file) => file.endsWith(".ts"))
  // Every entry is named in a static import too, so that the compilers see all declarations.
  const entries = entriesOf(own)
  writeFileSync(
    join(consumer, "entries.ts"),
    entries.map((entry, i) => `export * as entry${i} from "${entry}"\n`).join("")
  )

  const runOn = (name: string, node: string) => {
    for (const program of programs) {
      step(`${program} on ${name}`, () => {
        const ran = run(node, ["--disable-warning=ExperimentalWarning", program], { cwd: consumer })
        if (ran.status !== 0) return ran.output
        if (program === "main.ts") process.stdout.write(ran.stdout.replace(/^(?=.)/gm, "     "))
        return undefined
      })
    }
  }
  const binary = { linux: "node-linux", win32: "node-win" }[process.platform as string]
  if (binary === undefined)
    console.log(`skip Node ${oldestNode}: npm has no binary for ${process.platform}; use your own Node`)
  else {
    const old = join(folder, "node22")
    mkdirSync(old)
    json(join(old, "package.json"), { private: true })
    const name = `${binary}-${process.arch}`
    if (step(`install Node ${oldestNode}`, () => install(old, `${name}@${oldestNode}`))) {
      runOn(
        `Node ${oldestNode}`,
        join(old, "node_modules", name, process.platform === "win32" ? "bin/node.exe" : "bin/node")
      )
    }
  }
  runOn(`Node ${process.version.slice(1)}`, process.execPath)

  const strict = {
    target: "ES2023",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    verbatimModuleSyntax: true,
    noEmit: true
  }
  const nodeNext = { module: "NodeNext", moduleResolution: "NodeNext", lib: ["ES2023"], types: ["node"] }
  const browser = { module: "ESNext", moduleResolution: "bundler", lib: ["ES2023", "DOM"], types: [] }
  const compile = (name: string, compiler: ReadonlyArray<string>, options: object, include: ReadonlyArray<string>) =>
    step(name, () => {
      const project = join(consumer, "tsconfig.json")
      json(project, { compilerOptions: options, include, exclude: ["node_modules"] })
      const [command = "", ...args] = compiler
      const ran = run(command, [...args, "-p", project, "--pretty", "false"], { cwd: consumer })
      const diagnostics = diagnosticsOf(ran.stdout)
      // Declarations of other packages are not ours to judge: without the DOM library, effect's own name CryptoKey in vain.
      const ours = diagnostics.filter(({ file }) => !/node_modules\/(?!breakwater\/)/.test(file))
      const crashed = ran.status !== 0 && diagnostics.length === 0
      return crashed
        ? ran.output
        : unless(ours.length === 0, ours.map((d) => `${d.file}:${d.line} ${d.code} ${d.message}`).join("\n"))
    })
  const ts7 = [bin("tsc")]
  const ts5 = join(root, "test/types/ts5/node_modules/typescript/bin/tsc")
  compile("types, TypeScript 7, NodeNext", ts7, { ...strict, ...nodeNext }, ["*.ts"])
  compile("types, TypeScript 7, bundler, no Node types", ts7, { ...strict, ...browser }, ["entries.ts"])
  if (existsSync(ts5))
    compile("types, TypeScript 5.9, NodeNext", [process.execPath, ts5], { ...strict, ...nodeNext }, ["*.ts"])
  else console.log("skip TypeScript 5.9: npm run typetest installs it")

  if (existsSync(join(root, "examples"))) {
    cpSync(join(root, "examples"), join(consumer, "examples"), { recursive: true })
    step("examples/testing", () => {
      const vitest = join(consumer, "node_modules", ".bin", "vitest")
      const ran = run(vitest, ["run", "examples/testing", "--reporter", "dot"], { cwd: consumer })
      return unless(ran.status === 0, ran.output)
    })
    const emitted = compile(
      "declarations of examples/",
      ts7,
      {
        ...strict,
        ...nodeNext,
        resolveJsonModule: true,
        rewriteRelativeImportExtensions: true,
        skipLibCheck: true,
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: "examples",
        outDir: "declarations"
      },
      ["examples/**/*.ts"]
    )
    if (emitted) {
      step("declarations name public entries only", () => {
        const leaks = readdirSync(join(consumer, "declarations"), { recursive: true, encoding: "utf8" })
          .filter((file) => file.endsWith(".d.ts"))
          .flatMap((file) =>
            readFileSync(join(consumer, "declarations", file), "utf8")
              .split("\n")
              .filter((line) => /import\("[^"]*(?:node_modules|\/internal\/|\/dist\/)/.test(line))
              .map((line) => `${file}: ${line.trim().slice(0, 300)}`)
          )
        return unless(leaks.length === 0, leaks.join("\n"))
      })
      rmSync(join(consumer, "examples"), { recursive: true })
      compile(
        "declarations of examples/ compile",
        ts7,
        { ...strict, ...nodeNext, rewriteRelativeImportExtensions: true },
        ["declarations/**/*.d.ts"]
      )
    }
  }
  return failures === 0 ? 0 : 1
})
console.log(`smoke: ${failures} failed, ${seconds(started)}`)
