#include "recipe/report_style.h"

namespace loquat::recipe {

const char* const kReportStyle = R"css(
:root{color-scheme:light dark;--paper:#faf7f1;--card:#fff;--sunk:#f3eee4;--line:#e4dccd;--ink:#26221c;--soft:#6b6357;--accent:#b45309;
--good:#2f7a3d;--good-soft:#e3f1e3;--bad:#b3362b;--bad-soft:#fae5e0;--mute-soft:#eee8dc;
--base:#6b7280;--sft:#1f6fb2;--reward:#8a4fb0;--reference:#b0568f;--ppo:#c75b12;--adversarial:#2b7f62;
--serif:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,serif}
@media (prefers-color-scheme:dark){:root{--paper:#171512;--card:#211e1a;--sunk:#1b1916;--line:#383229;--ink:#efe9df;--soft:#a99f90;--accent:#f2a541;
--good:#7cc58a;--good-soft:#1e3324;--bad:#f08a7d;--bad-soft:#3b211d;--mute-soft:#2a2620;
--base:#a3abb8;--sft:#6bb1ea;--reward:#c79be6;--reference:#e59cc7;--ppo:#f39a53;--adversarial:#68c7a4}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:80rem;padding:1.5rem 1.25rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
h1,h2,h3,p{margin:0}h1,h2{font-family:var(--serif);font-weight:600;letter-spacing:-.01em}
h1{font-size:2rem;line-height:1.15}h2{font-size:1.45rem}h3{font-size:1rem}
a{color:var(--accent)}.muted{color:var(--soft)}.small{font-size:.88rem}
section{margin-top:3rem}.lead{color:var(--soft);max-width:46rem;margin:.2rem 0 1rem}
.tint-base{--tint:var(--base)}.tint-sft{--tint:var(--sft)}.tint-reward{--tint:var(--reward)}.tint-reference{--tint:var(--reference)}
.tint-ppo{--tint:var(--ppo)}.tint-adversarial{--tint:var(--adversarial)}.tint-none{--tint:var(--accent)}.alt{--tint:var(--reward)}
.top{display:flex;gap:1rem;align-items:center}.top svg{flex:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:.9rem;margin-top:1.6rem}
.tile{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1rem 1.1rem}
.tile b{display:block;white-space:nowrap;font:600 2rem/1.15 var(--serif);font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:.92rem}.tile small{color:var(--soft)}
.targets{list-style:none;padding:0;margin:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(23rem,1fr));gap:.55rem}
.targets li{display:grid;grid-template-columns:auto 1fr;align-content:start;gap:.15rem .7rem;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.6rem .8rem}
.targets .measured{grid-column:2;color:var(--soft);font-size:.88rem;font-variant-numeric:tabular-nums}
.badge{align-self:start;display:inline-block;min-width:5.6rem;text-align:center;font-size:.8rem;font-weight:600;border-radius:99px;padding:.12rem .6rem;background:var(--mute-soft);color:var(--soft)}
.badge.good{background:var(--good-soft);color:var(--good)}.badge.bad{background:var(--bad-soft);color:var(--bad)}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:14px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.5rem .8rem;text-align:left;border-top:1px solid var(--line);vertical-align:top}
thead th{border-top:0;background:var(--sunk);font-size:.92rem;white-space:nowrap}
tbody th{font-weight:500;min-width:13rem}td small,th small{display:block;color:var(--soft);font-weight:400;font-size:.8rem;white-space:nowrap}
td.best b{color:var(--good)}td b{font-weight:600}
.model{color:var(--tint);font-weight:600}
.range{width:100%;min-width:9rem;max-width:20rem;height:1rem;display:block}
.track{stroke:var(--line);stroke-width:2;stroke-linecap:round}.span,.move{stroke:var(--tint);stroke-width:4;stroke-linecap:round;opacity:.35}
.move{stroke-width:2;opacity:.6}.mark{stroke:var(--soft);stroke-dasharray:2 2}.dot{fill:var(--tint)}.from{fill:var(--card);stroke:var(--ppo);stroke-width:2}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:.9rem;margin-top:.7rem}
.stage-head{margin-top:1.4rem;display:flex;gap:.5rem;align-items:center}
.stage-head::before{content:"";width:.7rem;height:.7rem;border-radius:3px;background:var(--tint)}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.7rem .8rem .5rem}
.chart figcaption{display:flex;justify-content:space-between;gap:.6rem;font-size:.9rem;flex-wrap:wrap}
.chart svg{display:block;width:100%;height:auto}.chart text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
.grid{stroke:var(--line)}.raw,.strong{fill:none;stroke:var(--tint);stroke-linejoin:round}.raw{opacity:.3}.strong{stroke-width:2;stroke-linecap:round}
.keys{display:flex;gap:.8rem}.key::before{content:"";display:inline-block;width:.9rem;height:.2rem;border-radius:2px;background:var(--tint);margin-right:.35rem;vertical-align:middle}
.dialogue{border:1px solid var(--line);border-radius:14px;background:var(--card);margin-top:.9rem;overflow:hidden}
.asked{background:var(--sunk);padding:.7rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere;font-weight:500}
.asked small{display:block;color:var(--soft);font-weight:400}
.replies{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr))}
.reply{padding:.7rem 1rem .8rem;border-top:3px solid var(--tint);white-space:pre-wrap;overflow-wrap:anywhere;font-size:.95rem}
.reply+.reply{border-left:1px solid var(--line)}
.reply .model{display:block;font-size:.85rem;white-space:normal}.reply .empty{color:var(--soft);font-style:italic}
.marks{display:flex;flex-wrap:wrap;gap:.3rem;margin-top:.5rem;white-space:normal}
.marks .badge{min-width:0;font-size:.74rem;padding:.05rem .5rem}
details>summary{cursor:pointer;margin-top:1rem;color:var(--accent);width:fit-content}
.bars td{vertical-align:middle}.bar{height:.7rem;border-radius:4px;background:var(--tint);display:block}
.guards{margin:0;padding-left:1.2rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin-top:1rem;font-size:.95rem}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;color:var(--soft);font-size:.88rem}
@media (max-width:40rem){body{padding:1rem .9rem 2rem}h1{font-size:1.5rem}section{margin-top:2.2rem}.targets,.charts{grid-template-columns:1fr}
.tiles{grid-template-columns:1fr 1fr}.tile b{font-size:1.5rem}.replies{grid-template-columns:1fr}.reply+.reply{border-left:0}dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}
thead th:first-child,tbody th{position:sticky;left:0;background:var(--card);min-width:9.5rem;max-width:11rem}thead th:first-child{background:var(--sunk)}}
@media print{body{max-width:none;background:#fff}.chart,.dialogue,.tile,li{break-inside:avoid}}
)css";

}  // namespace loquat::recipe
