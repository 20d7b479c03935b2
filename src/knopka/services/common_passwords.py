"""The passwords that are guessed first: those of eight characters and more, in lower case."""

from __future__ import annotations

_LIST = """
    00000000 000000000 0000000000 01234567 0123456789 01012000 0987654321 11111111 111111111 1111111111
    11112222 11223344 1122334455 112233445566 11235813 12121212 12131415 12341234 12344321 12345678
    123456789 1234567890 12345678900 123456789a 123456789q 1234567899 12345678a 12345678q 12345679 12345qwert
    123321123 123123123 1231231234 123qwe123 123qweasd 123qweasdzxc 12qwaszx 1357924680 13579246 14725836
    147258369 147852369 159357456 159753456 159357258 147896325 18436572 19841984 19851985 19861986 19871987
    19881988 19891989 19901990 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 1qaz1qaz
    20002000 20202020 20222022 20232023 20242024 20252025 20262026 21436587 22222222 222222222 23456789
    31415926 33333333 333333333 36925814 369258147 44444444 444444444 456456456 55555555 555555555 5555555555
    66666666 666666666 6666666666 69696969 77777777 777777777 7777777777 78945612 789456123 789456123a
    78907890 87654321 88888888 888888888 8888888888 963852741 987654321 9876543210 98765432 99999999 999999999
    9999999999 a1234567 a12345678 a123456789 aa123456 aa12345678 aaaaaaaa aaaa1111 abababab abc12345 abc123456
    abc123abc abcabc123 abcd1234 abcd12345 abcdefgh abcdefg1 abcdefg123 abcdefghi access14 access123 adidas123
    admin123 admin1234 admin12345 admin123456 admin2020 admin2024 admin2025 admin2026 admin@123 adminadmin
    administrator alejandro alexander alexandra alexandre amanda123 anastasia andrew123 angel123 angelina
    anthony1 antonina aolnhfib artem123 asd123asd asd12345 asdasd123 asdasdasd asdf1234 asdfasdf asdfghjk
    asdfghjkl asdfghjkl123 asdfqwer ashley123 asshole1 azerty123 azertyui azertyuiop barcelona baseball
    baseball1 basketball batman123 beautiful beatrice bestfriend blink182 bigdaddy billy123 blackcat blessed1
    bluebird bonjour1 brandon1 brooklyn bubbles1 butterfly bvgthfnjh california cambiami carolina caroline
    catherine changeme changeme1 changeme123 charlie1 charlie123 charlotte cheburashka chelsea1 chicago1
    chicken1 chocolate christian christina christopher cjkysirj cocacola computer computer1 concrete
    cookie123 corvette cowboys1 creative crjhgbjy daniel123 danielle default1 default123 demo1234 demodemo
    devushka diamond1 dima1234 dima2000 dimadima direct123 discover djkrjlfd dolphin1 dolphins dragon123
    dragonfly drowssap dthjybrf eclipse1 einstein elephant elizabeth eminem123 emmanuel engineer espana123
    estrella evangelion excalibur facebook facebook1 familia1 ferrari1 fghtkm123 firebird fktrcfylh
    fktrcfylhf flamingo florida1 flower123 football football1 football123 forever1 francesco frederic
    freedom1 friends1 friendship fuckyou1 fuckyou123 fuckyou2 gabriel1 gabriela gangster garfield gateway1
    gfhjkm123 gfhjkmgfhjkm ghbdtn123 ghbdtnghbdtn ghjcnjgfhjkm giovanni god12345 goldfish good1234 goodluck
    google123 guest123 guitar123 happy123 happyday harrison hannah123 harley123 hello123 hello1234 hello12345
    hellohello hello@123 heather1 helloworld hellokitty hockey123 hollywood house123 iloveyou iloveyou1
    iloveyou12 iloveyou123 iloveyou2 iloveyou! infinity inuyasha internet internet1 invisible ironman1
    isabella jackson1 jasmine1 jennifer jessica1 jesus123 jesuschrist jonathan jordan23 jordan123 joseph123
    jupiter1 justin123 kakashka katerina kfhbcf123 killer123 kimberly kingkong knopka123 knopka1234
    knopkaknopka kristina krasotka lakers24 leonardo letmein1 letmein123 lfybbk123 liberty1 lineage2
    liverpool liverpool1 london123 lovelove loveme123 lovely123 loveyou1 lucky123 lucky777 lucky1234
    madison1 magnolia maksim123 manager1 manager123 manchester marathon margarita marina123 marlboro
    marseille matthew1 matrix123 maximus1 melissa1 mercedes mercury1 metallica michael1 michael123 michelle
    michigan microsoft millenium minecraft minecraft1 mohammed monica123 monkey123 monster1 morgan123
    mother123 motorola mountain muhammad music123 mustang1 mypassword mynameis natalia1 natasha1 nataliya
    natedogg newpass1 newpassword newyork1 nicholas nicole123 nikita123 nirvana1 nokia123 northside november
    nthvbyfnjh october1 oksana123 olga1234 oliver123 operator operator1 operator123 p@ssw0rd p@ssword
    p@ssw0rd1 pa$$word pa55word paradise parola123 passpass passport passw0rd passw0rd1 passwort password
    password! password0 password00 password01 password1 password1! password10 password11 password12
    password123 password123! password1234 password12345 password2 password22 password3 password4 password5
    password7 password9 password99 password@123 passwords patricia patrick1 peaches1 peanut123 pepper123
    phoenix1 pikachu1 pineapple platinum playboy1 pokemon1 pokemon123 porsche1 portugal precious princesa
    princess princess1 princess123 privet123 privetik privetprivet pussycat q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6
    qazqazqaz qaz12345 qaz123wsx qazwsx123 qazwsxed qazwsxedc qazwsxedcrfv qqqqqqqq qwaszx12 qwe12345
    qwe123456 qwe123qwe qwe123rty qweasd123 qweasdzxc qweasdzxc123 qweqweqwe qwer1234 qwerqwer qwert123
    qwert1234 qwert12345 qwerty00 qwerty01 qwerty11 qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456
    qwerty77 qwerty78 qwerty789 qwertyui qwertyuiop qwertyqwerty qwertz123 rastaman raiders1 rainbow1 ranger12
    realmadrid rebecca1 redskins richard1 robert123 rjirf123 rockstar rockyou1 ronaldo7 root1234 rootroot
    rossiya1 runescape russia123 samantha samsung1 samsung123 sandra123 santiago saturn12 savannah scarface
    scorpion scooby12 sebastian secret12 secret123 secretsecret security senha123 september sergey123
    serenity shadow12 shadow123 shannon1 shopping silver12 simpsons skywalker slipknot snickers snoopy12
    snowball soccer12 soccer123 softball solnishko soloveva southpark spartak1 spartak1922 spiderman
    spiderman1 spongebob starcraft starfish stargate startrek starwars starwars1 steelers stephanie
    stalker123 strawberry sunflower sunshine sunshine1 superman superman1 superman123 superstar support1
    support123 svetlana sweetheart swordfish taekwondo tamerlan tatiana1 taylor13 teddybear temppass
    temp1234 tequiero test1234 test12345 testing1 testing123 testtest tester123 thomas123 thunder1
    tigger123 tinkerbell tiffany1 titanic1 tomahawk toor1234 training trinity1 trustno1 twilight unicorn1
    university user1234 useruser valentin valentina vanessa1 victoria victory1 viktoriya virginia vfhbyf123
    vfrcbv123 vfvfgfgf vfksirf123 vkontakte vladimir vladislav volkswagen volleyball warcraft warcraft3
    warhammer warrior1 watermelon webmaster welcome01 welcome1 welcome12 welcome123 welcome2 welcome@123
    whatever whatever1 william1 winston1 wolfgang wordpass wrestling wwwwwwww xbox360x xxxxxxxx yamaha123
    yankees1 yfnfif123 yfcntymrf yellow12 zaq12wsx zaq1xsw2 zaq1zaq1 zaqwsxcde zeppelin zcfvfzrhfcbdfz
    zvezda123 zxc12345 zxc123456 zxcasdqwe zxcv1234 zxcvbnm1 zxcvbnm123 zxcvzxcv zxcvbnmm zxczxczxc
    zzzzzzzz йцукен12 йцукен123 йцукенгш йцукенгшщз пароль12 пароль123 парольпароль привет12 привет123
    приветпривет солнышко любимая1 любимый1 наташа123 администратор россия123 москва123 оператор
    """
COMMON_PASSWORDS = frozenset(_LIST.split())
